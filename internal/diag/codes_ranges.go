package diag

// SP16xx: see Catalogue.
const ()

func rangesCodes() []CodeInfo { return nil }
