"""The form page and what it sends: HTML for people, without any script."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from energy.errors import NegawattError
from extender.prediction import pages
from extender.prediction.cluster import no_cluster
from extender.prediction.form import PREDICT, Form, Shown, asked_by, read_form, with_rows
from extender.prediction.guard import FORBIDDEN, PAGE_HEADERS, form_refusal
from extender.prediction.registry import Models
from extender.prediction.replies import UNAVAILABLE, WRONG_KIND, kind_of, or_problem, problem
from extender.prediction.request import Asked
from extender.prediction.service import PredictionService
from extender.verbs import BAD_REQUEST, read_body

OK: Final = 200
SEE_OTHER: Final = 303
FORM: Final = "application/x-www-form-urlencoded"


def add_pages(app: FastAPI, service: PredictionService, limit_bytes: int) -> None:
    """Add the form, its style sheet and where it is sent."""

    @app.get("/predict", response_class=HTMLResponse, tags=["predictions"])
    async def form_page() -> Response:
        """The form for people."""
        return await _page(service, Form(), Shown())

    @app.get("/predict/style.css", include_in_schema=False)
    async def style() -> Response:
        return Response(pages.style_sheet(), media_type="text/css", headers=PAGE_HEADERS)

    @app.get("/predict/form", include_in_schema=False)
    async def form_again() -> Response:
        """Whoever opens the address that the form was sent to wants the form."""
        return RedirectResponse("/predict", SEE_OTHER)

    @app.post("/predict/form", include_in_schema=False)
    async def form_sent(request: Request) -> Response:
        if (line := form_refusal(request.scope["headers"])) is not None:
            return problem(FORBIDDEN, line)
        if kind_of(request) != FORM:
            return problem(WRONG_KIND, f"the content type must be {FORM}")

        async def answered() -> Response:
            body = await read_body(request.receive, limit_bytes)
            read = partial(_read, body, service.models)
            return await _answered(service, *await service.on_page_thread(read))

        return await or_problem(answered)


def _read(body: bytes, models: Models) -> tuple[Form, Asked | None]:
    """The form to show and, where it is to be answered, its request."""
    form = read_form(body)
    if form.action != PREDICT:
        return with_rows(form), None
    asked = asked_by(form, models)
    return (asked, None) if isinstance(asked, Form) else (form, asked)


async def _answered(service: PredictionService, form: Form, asked: Asked | None) -> Response:
    if asked is None:
        return await _page(service, form, Shown(), BAD_REQUEST if form.is_wrong else OK)
    try:
        cluster = service.of_cluster(asked)
        shown = await service.on_model_thread(lambda: pages.shown(service.answer(asked, cluster)))
    except NegawattError as error:
        return await _page(service, form, Shown(problem=str(error)), UNAVAILABLE)
    return await _page(service, form, shown)


async def _page(service: PredictionService, form: Form, shown: Shown, code: int = OK) -> Response:
    """The page, rendered beside the event loop: a hundred rows take it some ten milliseconds."""
    has_cluster = service.cluster is not no_cluster
    models = service.models.values()
    render = partial(pages.form_page, form, shown, models=models, has_cluster=has_cluster)
    return HTMLResponse(await service.on_page_thread(render), code, PAGE_HEADERS)
