package exchange

type variable struct {
	name  string
	value any
}

// SetVar sets a context variable. Requests have few of them (the documentation
// advises at most 50), so a short list is cheaper than a map.
func (x *Exchange) SetVar(name string, value any) {
	for i := range x.vars {
		if x.vars[i].name == name {
			x.vars[i].value = value
			return
		}
	}
	x.vars = append(x.vars, variable{name, value})
}

// Var returns a context variable.
func (x *Exchange) Var(name string) (any, bool) {
	for i := range x.vars {
		if x.vars[i].name == name {
			return x.vars[i].value, true
		}
	}
	return nil, false
}
