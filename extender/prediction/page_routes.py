"""The form page and what it sends: HTML for people, without any script."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from energy.errors import NegawattError
from extender.prediction import pages
from extender.prediction.cluster import no_cluster
from extender.prediction.form import PREDICT, Form, Shown, asked_by, read_form, with_rows
from extender.prediction.guard import FORBIDDEN, PAGE_HEADERS, form_refusal
from extender.prediction.replies import UNAVAILABLE, WRONG_KIND, kind_of, or_problem, problem
from extender.prediction.service import PredictionService
from extender.verbs import BAD_REQUEST, read_body

FORM: Final = "application/x-www-form-urlencoded"


def add_pages(app: FastAPI, service: PredictionService, limit_bytes: int) -> None:
    """Add the form, its style sheet and where it is sent."""

    @app.get("/predict", response_class=HTMLResponse, tags=["predictions"])
    async def form_page() -> Response:
        """The form for people."""
        return _page(service, Form(), Shown())

    @app.get("/predict/style.css", include_in_schema=False)
    async def style() -> Response:
        return Response(pages.style_sheet(), media_type="text/css", headers=PAGE_HEADERS)

    @app.post("/predict/form", include_in_schema=False)
    async def form_sent(request: Request) -> Response:
        if (line := form_refusal(request.scope["headers"])) is not None:
            return problem(FORBIDDEN, line)
        if kind_of(request) != FORM:
            return problem(WRONG_KIND, f"the content type must be {FORM}")

        async def answered() -> Response:
            form = read_form(await read_body(request.receive, limit_bytes))
            return await _answered(service, form)

        return await or_problem(answered)


async def _answered(service: PredictionService, form: Form) -> Response:
    if form.action != PREDICT:
        return _page(service, with_rows(form), Shown())
    asked = asked_by(form)
    if isinstance(asked, Form):
        return _page(service, asked, Shown(), BAD_REQUEST)
    try:
        cluster = service.of_cluster(asked)
        answer = await service.on_model_thread(partial(service.answer, asked, cluster))
    except NegawattError as error:
        return _page(service, form, Shown(problem=str(error)), UNAVAILABLE)
    return _page(service, form, Shown(answer=answer, servers=pages.by_rank(answer.servers)))


def _page(service: PredictionService, form: Form, shown: Shown, code: int = 200) -> Response:
    has_cluster = service.cluster is not no_cluster
    html = pages.form_page(form, shown, has_cluster=has_cluster)
    return HTMLResponse(html, code, PAGE_HEADERS)
