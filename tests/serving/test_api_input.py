"""What a request may not hold: every refusal is a problem document that points at the fault."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.body import parse
from serving.errors import ApiError

MAX_BYTES = 2 * 1024 * 1024
JSON = {"Content-Type": "application/json"}
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}


def post(client, content, headers=JSON, path="/v1/predictions"):
    return client.post(path, content=content, headers=headers)


def refusal(body: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(body)
    return caught.value


class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"{'a': 1}",
            b"\xff\xfe{}",
            b'{"a": "\xff"}',
            "{}".encode("utf-16"),
            b"\xef\xbb\xbf{}",
        ],
        ids=["empty", "cut", "quotes", "not-utf8", "byte", "utf16", "bom"],
    )
    def test_what_is_not_json_in_utf8_is_malformed(self, body):
        assert refusal(body).status_code == 400

    @pytest.mark.parametrize(
        ("body", "code", "pointer"),
        [
            (b'{"a": [1, NaN]}', "number_not_finite", "/a/1"),
            (b'{"a": {"b/c": Infinity}}', "number_out_of_range", "/a/b~1c"),
            (b'{"a": -Infinity}', "number_out_of_range", "/a"),
            (b'{"a": 1e400}', "number_out_of_range", "/a"),
            (b'{"a": 1000000000000000001}', "number_out_of_range", "/a"),
            (b'{"a": ' + b"9" * 5000 + b"}", "number_out_of_range", ""),
            (b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}", "too_deep", "/a" + "/0" * 12),
            (b"[" * 100_000 + b"]" * 100_000, "too_deep", ""),
            (b'{"a": {"b": 1, "b": 2}}', "repeated_key", "/a/b"),
            (b'{"a": "\\ud800"}', "text_not_unicode", "/a"),
            (b'{"a": "x\\u0000"}', "text_not_unicode", "/a"),
            (b'{"a": "' + b"x" * 10_001 + b'"}', "text_too_long", "/a"),
        ],
    )
    def test_a_value_that_no_field_can_hold_is_refused_where_it_stands(self, body, code, pointer):
        error = refusal(body)
        assert error.status_code == 422
        assert (error.errors[0]["code"], error.errors[0]["pointer"]) == (code, pointer)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60))
    def test_any_bytes_are_read_or_refused(self, body):
        with contextlib.suppress(ApiError):
            parse(body)

    @settings(max_examples=60, deadline=None)
    @given(
        st.text(max_size=40) | st.text(alphabet='{}[],:"0123456789.eE+-NaIfity \\u', max_size=40)
    )
    def test_no_body_breaks_the_service(self, client, text):
        answer = post(client, text.encode("utf-8", "surrogatepass"))
        assert answer.status_code in (400, 422)
        assert set(answer.json()) == MEMBERS


class TestTransport:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/json; charset=latin-1"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            JSON | {"Content-Encoding": "gzip"},
        ],
    )
    def test_other_encodings_are_415(self, client, headers):
        answer = post(client, b"{}", headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    def test_a_charset_of_utf8_is_fine(self, client):
        headers = {"Content-Type": 'application/json; charset="UTF-8"'}
        assert post(client, b"{}", headers).status_code == 422

    def test_two_megabytes_are_read_and_a_byte_more_is_not(self, client):
        assert post(client, b" " * (MAX_BYTES - 2) + b"{}").status_code == 422
        answer = post(client, b" " * (MAX_BYTES - 1) + b"{}")
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def test_a_body_that_does_not_tell_its_size_is_limited_too(self, client):
        def chunks():
            for _ in range(40):
                yield b" " * 100_000

        assert post(client, chunks()).status_code == 413
