package diag

// SP10xx: see Catalogue.
const ()

func settingsCodes() []CodeInfo { return nil }
