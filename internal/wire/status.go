package wire

// StatusText returns the standard reason phrase of a status code (IANA HTTP
// Status Code Registry), "" when it has none.
func StatusText(code int) string {
	switch {
	case code >= 100 && code < 200:
		return informational(code)
	case code < 300:
		return successful(code)
	case code < 400:
		return redirection(code)
	case code < 500:
		return clientError(code)
	default:
		return serverError(code)
	}
}

// BodyAllowed reports whether an answer with this status to a request with
// this method may carry a body (RFC 9110 §6.4.1).
func BodyAllowed(method string, status int) bool {
	return method != "HEAD" && status >= 200 && status != 204 && status != 304
}

func informational(code int) string {
	switch code {
	case 100:
		return "Continue"
	case 101:
		return "Switching Protocols"
	case 102:
		return "Processing"
	case 103:
		return "Early Hints"
	}
	return ""
}

func successful(code int) string {
	switch code {
	case 200:
		return "OK"
	case 201:
		return "Created"
	case 202:
		return "Accepted"
	case 203:
		return "Non-Authoritative Information"
	case 204:
		return "No Content"
	case 205:
		return "Reset Content"
	case 206:
		return "Partial Content"
	case 207:
		return "Multi-Status"
	case 208:
		return "Already Reported"
	case 226:
		return "IM Used"
	}
	return ""
}

func redirection(code int) string {
	switch code {
	case 300:
		return "Multiple Choices"
	case 301:
		return "Moved Permanently"
	case 302:
		return "Found"
	case 303:
		return "See Other"
	case 304:
		return "Not Modified"
	case 305:
		return "Use Proxy"
	case 307:
		return "Temporary Redirect"
	case 308:
		return "Permanent Redirect"
	}
	return ""
}

func clientError(code int) string {
	if code >= 400 && code <= 417 {
		return [...]string{
			"Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found",
			"Method Not Allowed", "Not Acceptable", "Proxy Authentication Required", "Request Timeout",
			"Conflict", "Gone", "Length Required", "Precondition Failed", "Content Too Large",
			"URI Too Long", "Unsupported Media Type", "Range Not Satisfiable", "Expectation Failed",
		}[code-400]
	}
	switch code {
	case 421:
		return "Misdirected Request"
	case 422:
		return "Unprocessable Content"
	case 423:
		return "Locked"
	case 424:
		return "Failed Dependency"
	case 425:
		return "Too Early"
	case 426:
		return "Upgrade Required"
	case 428:
		return "Precondition Required"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 451:
		return "Unavailable For Legal Reasons"
	}
	return ""
}

func serverError(code int) string {
	switch code {
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	case 506:
		return "Variant Also Negotiates"
	case 507:
		return "Insufficient Storage"
	case 508:
		return "Loop Detected"
	case 511:
		return "Network Authentication Required"
	}
	return ""
}
