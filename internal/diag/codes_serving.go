package diag

// SP15xx: see Catalogue.
const ()

func servingCodes() []CodeInfo { return nil }
