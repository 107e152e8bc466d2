package apiops

import (
	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

func (l *loader) readNamedValues(dir string) {
	l.each(dir, "namedValues", func(f *folder, id string) {
		defer f.rest()
		props := f.properties(take(l.over.top("namedValues"), id), "namedValueInformation.json")
		if props == nil {
			return
		}
		r := tree.Read(props, f.res, &l.out)
		r.Known("displayName", "value", "secret", "tags", "keyVault", "provisioningState")
		nv := &model.NamedValue{
			ID: id, DisplayName: r.Need("displayName"), Secret: r.Bool("secret", false),
			Value: r.Secret("value"), Tags: r.Strings("tags"),
			Pos: props.Pos, Places: place(r, "displayName", "value"),
		}
		if r.Has("keyVault") {
			kv := r.Sub("keyVault")
			nv.KeyVault = &model.KeyVaultRef{SecretIdentifier: kv.Need("secretIdentifier"), IdentityClientID: kv.String("identityClientId")}
			nv.Secret = true
		}
		l.checkValue(nv, r, f.res)
		l.snap.NamedValues = append(l.snap.NamedValues, nv)
	})
}

// checkValue reports a named value that has nothing to put into policies.
func (l *loader) checkValue(nv *model.NamedValue, r tree.Reader, res string) {
	if !nv.Value.IsZero() {
		return
	}
	hint := "set its value in configuration.<environment>.yaml: namedValues, name " + nv.ID + ", properties, value: \"{#NAME#}\""
	switch {
	case nv.KeyVault != nil:
		l.out.Add(diag.SourceKeyVault, r.Pos("keyVault"), res, "named value '%s' needs Key Vault, which is not read yet", nv.ID).Hint = hint
	case nv.Secret:
		l.out.Add(diag.SourceNoSecret, r.Node().Pos, res, "secret named value '%s' has no value", nv.ID).Hint = hint
	case !r.Has("value"):
		r.Missing("value")
	}
}
