package conform_test

// stdKnown is what net/http cannot do, or does otherwise, with the reason why
// that is accepted: std is the reference and the fallback, and the engine of
// our own is the strict one.
func stdKnown() map[string]string {
	known := map[string]string{
		"the time of arrival":                                                 "net/http reads a head before anybody can look at the clock",
		"header lines keep order and spelling":                                "net/http keeps headers in a map with names spelled its own way",
		"answer headers keep order and spelling":                              "net/http keeps headers in a map and sends them by name",
		"headers keep order and spelling":                                     "net/http keeps headers in a map and sends them by name",
		"reason phrase of the handler":                                        "net/http sends the standard phrase",
		"a head that does not end is answered 408":                            "net/http closes, or says 400",
		"a blank line in front of a request is skipped":                       "net/http skips none before the first request",
		"finish ends the answer before the handler":                           "net/http writes the last chunk when the handler has returned",
		"unknown expectation":                                                 "net/http answers 417 and then waits for the body before it closes",
		"an early answer and a closed connection":                             "net/http may report the failed write before it reads the answer",
		"a request is repeated once":                                          "net/http goes on as long as it finds kept connections dead",
		"a connection closed as the request arrives: safe calls are repeated": "net/http repeats GET, HEAD, OPTIONS and TRACE, not PUT and DELETE",
		"an expectation is not sent on":                                       "net/http waits for 100 Continue itself, for a second",
		"the caller gives up while sending":                                   "net/http waits for the reader of the body, which may be a client that stalls",
		"no head in time while the sender stalls":                             "net/http waits for the reader of the body, which may be a client that stalls",
		"malformed answer: half a head":                                       "net/http parses what it has and calls it malformed",
		"malformed answer: half a status line":                                "net/http parses what it has and calls it malformed",
		"malformed answer: trailer of framing":                                "net/http drops trailers that were not announced",
		"malformed answer: chunk size with a space behind":                    "net/http cuts white space off, since servers were seen to send it",
		"malformed answer: the same length twice":                             "net/http merges equal lengths, as RFC 9112 section 6.3 allows",
		"malformed answer: length and coding":                                 "net/http goes by the coding, as RFC 9112 section 6.3 allows",
		"malformed answer: coding and length":                                 "net/http goes by the coding, as RFC 9112 section 6.3 allows",
		"malformed answer: coding in HTTP/1.0":                                "net/http ignores the coding and reads until the end",
		"malformed answer: NUL in the reason":                                 "net/http does not look into the phrase; the gateway's server does",
		"malformed answer: two spaces":                                        "net/http cuts spaces off",
		"malformed answer: HTTP/2.0":                                          "net/http takes any version",
		"malformed answer: length that differs by an underscore":              "net/http takes it for a header like others",
	}
	for _, name := range []string{"bytes behind an answer are nobody's answer", "an answer sent twice is used once", "answers longer than they say"} {
		known[name] = "net/http gives a connection to the next call before it looks whether more has come, and may lose that race"
	}
	for _, name := range []string{"bare LF at the end", "bare LF after a header", "bare LF after the status line", "folded line", "name with a space",
		"white space before the colon", "coding with white space before the colon"} {
		known["malformed answer: "+name] = "net/textproto is as lax with answers as RFC 9112 allows"
	}
	return known
}
