package conform

import "sallyport/internal/wire"

// Answers returns answers of backends, good and malformed, as seeds.
func Answers() []string {
	all := []string{
		okAnswer,
		"HTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nX: 1\r\nx: 2\r\nConnection: x, close\r\n\r\nuntil the end",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okAnswer,
		"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0002\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n",
	}
	for _, m := range malformedAnswers() {
		if m.kind == wire.KindProtocol {
			all = append(all, m.answer)
		}
	}
	return all
}
