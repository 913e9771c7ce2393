// An extender that answers every host with 0: what the mechanism of extenders costs by itself,
// and the control of every experiment with one, because an extender changes how ties are broken.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
)

type extenderArgs struct {
	Pod       json.RawMessage
	NodeNames *[]string
}

type hostPriority struct {
	Host  string
	Score int64
}

type filterResult struct {
	NodeNames                  *[]string
	FailedNodes                map[string]string
	FailedAndUnresolvableNodes map[string]string
	Error                      string
}

func decode(request *http.Request) ([]string, error) {
	var args extenderArgs
	if err := json.NewDecoder(request.Body).Decode(&args); err != nil {
		return nil, err
	}
	if args.NodeNames == nil {
		return nil, fmt.Errorf("no NodeNames: set nodeCacheCapable")
	}
	return *args.NodeNames, nil
}

func answer(writer http.ResponseWriter, value any) {
	writer.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(writer).Encode(value); err != nil {
		log.Print(err)
	}
}

func prioritize(writer http.ResponseWriter, request *http.Request) {
	names, err := decode(request)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	scores := make([]hostPriority, len(names))
	for i, name := range names {
		scores[i].Host = name
	}
	answer(writer, scores)
}

func filter(writer http.ResponseWriter, request *http.Request) {
	names, err := decode(request)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	answer(writer, filterResult{NodeNames: &names})
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	well := func(writer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(writer, "ok") }
	http.HandleFunc("POST /scheduler/prioritize", prioritize)
	http.HandleFunc("POST /scheduler/filter", filter)
	http.HandleFunc("GET /healthz", well)
	http.HandleFunc("GET /readyz", well)
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
