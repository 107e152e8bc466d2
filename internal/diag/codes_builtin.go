package diag

// SP1260…: what the built-in policies say beyond their specs.
const (
	PolicyNoEffect Code = "SP1260"
)

func builtinCodes() []CodeInfo {
	return []CodeInfo{
		{PolicyNoEffect, Warning, "setting not applied as written", "Remove the setting, or change it as the message says; the document is usable as it is."},
	}
}
