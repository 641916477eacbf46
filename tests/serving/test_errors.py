import pytest

from serving.errors import ApiError, invalid, responses, unavailable


def test_an_error_has_the_form_of_openai() -> None:
    error = ApiError(404, "there is no model 9; see /v1/models", "model", "model_not_found")
    assert error.body().model_dump() == {
        "error": {
            "message": "there is no model 9; see /v1/models",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_an_error_that_passes_says_when_to_try_again() -> None:
    response = unavailable("the queue is full", "queue_full", retry_after=1).response()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("problem", "param", "code"),
    [
        ({"loc": ("body", "top_k"), "type": "extra_forbidden", "msg": "Extra"}, "top_k", "unknown_parameter"),
        ({"loc": ("body", "messages", 0, "role"), "type": "x", "msg": "bad"}, "messages.0.role", "invalid_value"),
        ({"loc": ("body", 3), "type": "json_invalid", "msg": "bad"}, None, "invalid_json"),
    ],
)
def test_the_first_problem_of_a_request_is_named(problem: dict[str, object], param: str | None, code: str) -> None:
    error = invalid([problem])
    assert (error.status, error.param, error.code) == (400, param, code)


def test_a_long_value_is_cut_and_no_problem_is_one_too() -> None:
    assert len(invalid([{"loc": ("body", "n"), "type": "x", "msg": "y" * 10_000}]).message) < 400
    assert (invalid([]).status, invalid([]).message) == (400, "the request is invalid; see /openapi.json for its form")


def test_the_errors_of_a_route_are_described() -> None:
    assert set(responses(400, 503)) == {400, 503}
