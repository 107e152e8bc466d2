package diag

// SP12xx: see Catalogue.
const ()

func policyCodes() []CodeInfo { return nil }
