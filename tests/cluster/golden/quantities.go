//go:build ignore

// Prints what Kubernetes itself makes of many quantities, as JSON: quantities.json beside this
// file. Run it in a module that requires k8s.io/apimachinery v0.36:
//
//	cd deploy/local/kubernetes
//	go run ../../../tests/cluster/golden/quantities.go > ../../../tests/cluster/golden/quantities.json
package main

import (
	"fmt"
	"math/big"
	"os"

	"gopkg.in/inf.v0"
	"k8s.io/apimachinery/pkg/api/resource"
)

var mantissas = []string{
	"", "0", "00", "1", "+1", "-1", "7", "9", "10", "12", "100", "512", "999", "1000", "1001", "1023", "1024",
	"1025", "1536", "2048", "123456789", "1000000", "1048576", "9223372036854775807", "9223372036854775808",
	"999999999999999999", "1234567890123456789012", "0.1", ".5", "-.5", "0.5", "1.", "1.0", "1.5", "-1.5",
	"1.500", "1.23456789", "0.0000001", "0.000000001", "0.0000000001", "-0.0000000001", "2.5000000001",
	"123456.789", "00012.50", "0.001953125", "1.0009765625", "--1", "1.2.3", "1,5", " 1", "1 ", "x", "NaN",
	"١",
}

var suffixes = []string{
	"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "K", "i", "mi", "ki",
	"e", "e0", "e3", "E3", "e+3", "e-3", "e-9", "e-10", "e1", "e2", "e18", "e19", "E-2", "ee3", "e3e", "e+", "e3.5",
	"kM", "Kin", "MiB", "µ",
}

// What is beyond 64 bits has no answer that makes sense: Go wraps or says 0, this project refuses.
func fits(q *resource.Quantity, scale inf.Scale) bool {
	scaled := new(inf.Dec).Round(inf.NewDecBig(q.AsDec().UnscaledBig(), q.AsDec().Scale()-scale), 0, inf.RoundUp)
	limit := inf.NewDecBig(new(big.Int).Lsh(big.NewInt(1), 63), 0)
	return new(inf.Dec).Abs(scaled).Cmp(limit) < 0
}

func main() {
	separator := "["
	for _, mantissa := range mantissas {
		for _, suffix := range suffixes {
			text := mantissa + suffix
			quantity, err := resource.ParseQuantity(text)
			fmt.Printf("%s\n{\"text\": %q", separator, text)
			separator = ","
			if err != nil {
				fmt.Print(", \"refused\": true}")
				continue
			}
			number, unit := quantity.CanonicalizeBytes(nil)
			// Beyond 999E Go writes the number without its suffix.
			if again, err := resource.ParseQuantity(string(number) + string(unit)); err == nil && again.Cmp(quantity) == 0 {
				fmt.Printf(", \"canonical\": \"%s%s\"", number, unit)
			}
			fmt.Printf(", \"format\": %q", quantity.Format)
			copied := quantity.DeepCopy()
			if fits(&copied, 0) && quantity.Sign() >= 0 {
				fmt.Printf(", \"value\": %d", quantity.Value())
			}
			if fits(&copied, 3) && quantity.Sign() >= 0 {
				fmt.Printf(", \"milli_value\": %d", quantity.MilliValue())
			}
			fmt.Print("}")
		}
	}
	fmt.Fprintln(os.Stdout, "\n]")
}
