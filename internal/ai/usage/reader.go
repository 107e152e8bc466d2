package usage

// reader walks through the text of one JSON object. It is as strict as it must
// be to know where a value ends, and allocates nothing.
type reader struct {
	p []byte
	i int
}

// members calls member for every member of the object at hand, with its name
// and the reader on its value; member must pass over the value. False = the
// text is not an object, or member said so.
func (r *reader) members(member func(name []byte) bool) bool {
	if !r.eat('{') {
		return false
	}
	if r.eat('}') {
		return true
	}
	for {
		name, ok := r.text()
		if !ok || !r.eat(':') || !member(name) {
			return false
		}
		if r.eat('}') {
			return true
		}
		if !r.eat(',') {
			return false
		}
	}
}

// detail reads one count out of an object; null is none.
func (r *reader) detail(name string, n *int64) bool {
	if r.peek() != '{' {
		return r.skip()
	}
	return r.members(func(member []byte) bool {
		if string(member) == name {
			return r.count(n)
		}
		return r.skip()
	})
}

// count reads a number of tokens; what is no such number leaves n as it is.
func (r *reader) count(n *int64) bool {
	begin := r.start()
	if !r.skip() {
		return false
	}
	var v int64
	for _, c := range r.p[begin:r.i] {
		if c < '0' || c > '9' || v > 1<<50 {
			return true
		}
		v = v*10 + int64(c-'0')
	}
	*n = v
	return true
}

// skip passes over a value.
func (r *reader) skip() bool {
	switch r.peek() {
	case '"':
		_, ok := r.text()
		return ok
	case '{', '[':
		return r.nested()
	}
	begin := r.i
	for r.i < len(r.p) && !ends(r.p[r.i]) {
		r.i++
	}
	return r.i > begin
}

func ends(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\t', '\n', '\r', '"', '{', '[', ':':
		return true
	}
	return false
}

// nested passes over an object or array by counting brackets outside strings.
func (r *reader) nested() bool {
	for depth := 0; r.i < len(r.p); {
		switch r.p[r.i] {
		case '"':
			if _, ok := r.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		r.i++
		if depth == 0 {
			return true
		}
	}
	return false
}

// text reads a string and returns what is between its quotes, escapes as they
// stand.
func (r *reader) text() ([]byte, bool) {
	if !r.eat('"') {
		return nil, false
	}
	begin := r.i
	for ; r.i < len(r.p); r.i++ {
		switch r.p[r.i] {
		case '\\':
			r.i++
		case '"':
			r.i++
			return r.p[begin : r.i-1], true
		}
	}
	return nil, false
}

// start passes over white space and returns the place of what follows.
func (r *reader) start() int {
	for r.i < len(r.p) && (r.p[r.i] == ' ' || r.p[r.i] == '\t' || r.p[r.i] == '\n' || r.p[r.i] == '\r') {
		r.i++
	}
	return r.i
}

func (r *reader) peek() byte {
	if r.start() == len(r.p) {
		return 0
	}
	return r.p[r.i]
}

func (r *reader) eat(c byte) bool {
	if r.peek() != c || c == 0 {
		return false
	}
	r.i++
	return true
}
