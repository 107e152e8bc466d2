package apiops

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"sallyport/internal/model"
)

// sum collects the content of one API. A nil sum collects nothing.
type sum struct{ h hash.Hash }

func newSum() *sum { return &sum{sha256.New()} }

// add writes length-prefixed fields, so that no two lists of fields look alike.
func (s *sum) add(fields ...string) {
	if s == nil {
		return
	}
	for _, f := range fields {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		_, _ = s.h.Write(n[:])
		_, _ = s.h.Write([]byte(f))
	}
}

// policy adds a policy document with the name of its file: a plan that is used
// again must still point at the right place.
func (s *sum) policy(res string, d *model.PolicyDoc) {
	if d != nil {
		s.add("policy", res, string(d.Format), d.File, d.Text)
	}
}

func (s *sum) hex() string { return hex.EncodeToString(s.h.Sum(nil)) }
