package diag

// SP11xx: see Catalogue.
const ()

func sourceCodes() []CodeInfo { return nil }
