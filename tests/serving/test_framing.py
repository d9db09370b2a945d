"""Both parsers behind the same calls: bytes cut anywhere come to the same requests."""

import pytest

from netspec.serving.framing import FramingError, H11Parser

SENT = (
    b"POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n"
    b"PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
)
WHOLE = [(b"POST", b"/a?b=1", 2, b"hello"), (b"GET", b"/", 3, b""), (b"PUT", b"/c", 2, b"abcde")]
WRONG = (
    b"\x16\x03\x01 hello\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"G\0T / HTTP/1.1\r\n\r\n",
)


class Notes:
    def __init__(self):
        self.found = []
        self.begin()

    def begin(self):
        self.url, self.headers, self.body = b"", 0, b""

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.headers += 1

    def on_headers_complete(self):
        self.method = self.parser.get_method()
        assert self.parser.get_http_version() == "1.1"

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.found.append((self.method, self.url, self.headers, self.body))
        self.begin()


@pytest.fixture(params=["h11", "httptools"])
def make(request):
    if request.param == "h11":
        return H11Parser, FramingError
    httptools = pytest.importorskip("httptools")
    return httptools.HttpRequestParser, httptools.HttpParserError


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_requests_cut_anywhere(make, step):
    notes = Notes()
    notes.parser = make[0](notes)
    for at in range(0, len(SENT), step):
        notes.parser.feed_data(SENT[at : at + step])
    assert notes.found == WHOLE


@pytest.mark.parametrize("sent", WRONG)
def test_what_is_no_http(make, sent):
    notes = Notes()
    notes.parser = make[0](notes)
    with pytest.raises(make[1]):
        notes.parser.feed_data(sent)
