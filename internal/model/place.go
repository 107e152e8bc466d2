package model

import "sallyport/internal/diag"

// Places tells where properties of a resource were written, so that a rule
// across resources can point at the property instead of the resource. It is nil
// for resources that do not come from files.
type Places []Place

// Place of one property, or of one link ("apis/chat").
type Place struct {
	Name string
	Pos  diag.Pos
}

// At returns where name was written, or def.
func (p Places) At(name string, def diag.Pos) diag.Pos {
	for _, pl := range p {
		if pl.Name == name {
			return pl.Pos
		}
	}
	return def
}

// PoolMember is one backend of a pool (Azure documentation: BackendPoolItem).
type PoolMember struct {
	BackendID        string
	Priority, Weight int
	Pos              diag.Pos
}
