package diag

// SP15xx: Databricks Asset Bundles and serving endpoints.
const (
	ServingUnknownField  Code = "SP1501"
	ServingInclude       Code = "SP1502"
	ServingVariable      Code = "SP1503"
	ServingInterpolation Code = "SP1504"
	ServingTarget        Code = "SP1505"
	ServingName          Code = "SP1506"
	ServingDuplicate     Code = "SP1507"
	ServingEntityName    Code = "SP1508"
	ServingEntityCount   Code = "SP1509"
	ServingCustomModel   Code = "SP1510"
	ServingExternal      Code = "SP1511"
	ServingProvider      Code = "SP1512"
	ServingUnsupported   Code = "SP1513"
	ServingConfigBlock   Code = "SP1514"
	ServingAuth          Code = "SP1515"
	ServingCredential    Code = "SP1516"
	ServingSecretRef     Code = "SP1517"
	ServingURL           Code = "SP1518"
	ServingInsecure      Code = "SP1519"
	ServingServedModels  Code = "SP1520"
	ServingTask          Code = "SP1521"
	ServingTraffic       Code = "SP1522"
	ServingGateway       Code = "SP1523"
	ServingNotActive     Code = "SP1524"
	ServingScope         Code = "SP1525"
	ServingPlaintext     Code = "SP1526"
	ServingNoConfig      Code = "SP1527"
	ServingLength        Code = "SP1528"
	ServingServedBoth    Code = "SP1529"
)

func servingCodes() []CodeInfo {
	return []CodeInfo{
		{ServingUnknownField, Warning, "unknown field in bundle", "It has no effect; correct its name or remove it."},
		{ServingInclude, Error, "included file cannot be used", "Patterns under include are relative to the bundle file and stay below its folder."},
		{ServingVariable, Error, "variable has no value", "Give it a default in variables, a value in the target, or set BUNDLE_VAR_<name>."},
		{ServingInterpolation, Error, "reference cannot be resolved", "Known references are ${var.<name>}, ${bundle.name} and ${bundle.target}."},
		{ServingTarget, Error, "unknown target", "Name one of the bundle's targets."},
		{ServingName, Error, "endpoint name is not allowed", "Use 1 to 63 letters, digits, '-' and '_'; names starting with databricks- are reserved."},
		{ServingDuplicate, Error, "two endpoints share a name", "Endpoint names are unique in a workspace."},
		{ServingEntityName, Error, "served entity name is not usable", "Names of served entities are unique within an endpoint."},
		{ServingEntityCount, Error, "too many served entities", "An endpoint holds at most 15 served entities."},
		{ServingCustomModel, Error, "served model is not supported yet", "Only external models are served so far."},
		{ServingExternal, Error, "external model is incomplete or contradictory", "An external model has name, provider, task and one provider configuration, and no compute settings beside it."},
		{ServingProvider, Error, "unknown provider", "Use one of the providers that the message lists."},
		{ServingUnsupported, Error, "provider is not supported yet", "Only the custom provider is served so far."},
		{ServingConfigBlock, Error, "provider configuration does not fit", "Write exactly one configuration block, the one of the provider."},
		{ServingAuth, Error, "custom provider needs exactly one kind of authentication", "Write either api_key_auth or bearer_token_auth."},
		{ServingCredential, Error, "credential is missing or given twice", "Write either the secret reference or the plaintext field."},
		{ServingSecretRef, Error, "secret reference is malformed", "Write {{secrets/<scope>/<key>}}."},
		{ServingURL, Error, "provider URL is not usable", "Write the complete https URL that is to be called."},
		{ServingInsecure, Warning, "provider URL is plain http", "Accepted for the loopback address only; Databricks itself would refuse it."},
		{ServingServedModels, Warning, "served_models is deprecated", "Write served_entities instead."},
		{ServingTask, Error, "task is not usable", "All external models of an endpoint share one task: llm/v1/chat, llm/v1/completions or llm/v1/embeddings."},
		{ServingTraffic, Error, "traffic configuration is wrong", "Percentages are integers from 0 to 100 that add up to 100, with a route for every served entity."},
		{ServingGateway, Error, "protection is not supported yet", "Guardrails and rate limits are refused rather than ignored; remove them or enforce them in the gateway."},
		{ServingNotActive, Warning, "feature has no effect yet", "It is kept and listed, nothing acts on it."},
		{ServingScope, Info, "secret scope is kept only", "The bundle declares the scope; its secrets come from elsewhere."},
		{ServingPlaintext, Warning, "credential is written in plain text", "Use a secret reference {{secrets/<scope>/<key>}} or a variable."},
		{ServingNoConfig, Warning, "endpoint serves nothing", "It stays NOT_READY until it has served entities."},
		{ServingServedBoth, Error, "served_models and served_entities together", "Keep served_entities."},
		{ServingLength, Error, "value is too long", "Shorten it to the limit of the resource."},
	}
}
