package diag

import "slices"

// SP11xx: files and folders of a configuration.
const (
	SourceUnreadable    Code = "SP1101" // file or folder cannot be read
	SourceTooLarge      Code = "SP1102" // file above its size limit
	SourceJSONSyntax    Code = "SP1103" // not JSON
	SourceYAMLSyntax    Code = "SP1104" // not YAML
	SourceType          Code = "SP1105" // property of the wrong type
	SourceMissing       Code = "SP1106" // required property missing
	SourceValue         Code = "SP1107" // property with an impossible value
	SourceDuplicate     Code = "SP1108" // property or resource written twice
	SourceNearMiss      Code = "SP1109" // property name that looks like a slip
	SourceID            Code = "SP1110" // resource id against APIM's rules
	SourceUnknownEntry  Code = "SP1111" // file or folder outside the layout
	SourceNoInformation Code = "SP1112" // resource folder without its information file
	SourceOperation     Code = "SP1113" // operation folder without such an operation
	SourceNotServed     Code = "SP1114" // kept, but without effect yet
	SourceSpecification Code = "SP1115" // more than one specification, or one that is not served
	SourceReference     Code = "SP1116" // resource reference that cannot be understood
	SourceState         Code = "SP1117" // subscription without a state
	SourceNoSecret      Code = "SP1118" // secret named value without a value
	SourceKeyVault      Code = "SP1119" // value in Key Vault, nothing to use instead
	SourceRevision      Code = "SP1120" // folder name and properties disagree about the revision
	SourceNoOverride    Code = "SP1121" // override file that is not applied
	SourceSelfServer    Code = "SP1122" // the specification's server is the gateway itself
)

// SP114x: override files (configuration.<environment>.yaml).
const (
	OverrideKey     Code = "SP1140" // unknown key
	OverrideUnknown Code = "SP1141" // names a resource that does not exist
	OverrideShape   Code = "SP1142" // list, object or text in the wrong place
	OverrideToken   Code = "SP1143" // {#token#} without a value, or malformed
)

// SP115x: API specifications.
const (
	OpenAPISyntax    Code = "SP1150" // cannot be read
	OpenAPIVersion   Code = "SP1151" // not OpenAPI 2.0, 3.0, 3.1
	OpenAPITooLarge  Code = "SP1152" // above 4 MiB
	OpenAPIShape     Code = "SP1153" // element of the wrong kind
	OpenAPIRef       Code = "SP1154" // $ref that leads nowhere
	OpenAPISchemaRef Code = "SP1155" // the same inside a schema, which only samples need
	OpenAPIDuplicate Code = "SP1156" // two operations for one request
	OpenAPIParameter Code = "SP1157" // path parameters and template disagree
	OpenAPITemplate  Code = "SP1158" // path that cannot become a URL template
	OpenAPIDropped   Code = "SP1159" // parts an import leaves out
	OpenAPITooBig    Code = "SP1160" // too many nodes once references and aliases are followed
)

// SP13xx: rules across resources.
const (
	RuleDuplicateID     Code = "SP1301"
	RuleAPIPath         Code = "SP1302"
	RuleRevisionField   Code = "SP1303"
	RuleCurrentRevision Code = "SP1304"
	RuleVersionSet      Code = "SP1305"
	RuleUnknownSet      Code = "SP1306"
	RuleOpenProduct     Code = "SP1307"
	RuleUnknownAPI      Code = "SP1308"
	RuleUnknownGroup    Code = "SP1309"
	RuleScope           Code = "SP1310"
	RuleDuplicateKey    Code = "SP1311"
	RuleNamedValue      Code = "SP1312"
	RuleNamedValueTwice Code = "SP1313"
	RuleBackendURL      Code = "SP1314"
	RulePool            Code = "SP1315"
	RuleTemplate        Code = "SP1316"
	RuleOperationTwice  Code = "SP1317"
	RulePathCharacters  Code = "SP1318"
	RuleProtocol        Code = "SP1319"
	RuleAPIType         Code = "SP1320"
	RuleServiceURL      Code = "SP1321"
	RuleLength          Code = "SP1322"
	RuleState           Code = "SP1323"
	RuleNoOperations    Code = "SP1324"
	RuleVersion         Code = "SP1325"
	RuleKeyName         Code = "SP1326"
	RuleKeyLength       Code = "SP1327"
	RuleProductTerms    Code = "SP1328"
	RuleHandshake       Code = "SP1329"
)

func sourceCodes() []CodeInfo {
	return slices.Concat(fileCodes(), overrideCodes(), openAPICodes(), ruleCodes())
}

func fileCodes() []CodeInfo {
	return []CodeInfo{
		{SourceUnreadable, Error, "file or folder cannot be read", "Check that the path exists, that the process may read it and that text files are UTF-8."},
		{SourceTooLarge, Error, "file is too large", "Configuration files are limited to 4 MiB; split the resource or remove what is not configuration."},
		{SourceJSONSyntax, Error, "file is not valid JSON", "Correct the file at the position; JSON allows neither comments nor trailing commas."},
		{SourceYAMLSyntax, Error, "file is not valid YAML", "Correct the file at the position."},
		{SourceType, Error, "property has the wrong type", "Write the value as the type that the property takes."},
		{SourceMissing, Error, "required property is missing", "Add the property; the resource cannot be used without it."},
		{SourceValue, Error, "property has an impossible value", "Use one of the values that the message lists."},
		{SourceDuplicate, Warning, "written twice", "The last one counts; remove the other."},
		{SourceNearMiss, Warning, "property name looks misspelt", "Correct the name; an unknown property is kept but has no effect."},
		{SourceID, Error, "resource id is not allowed", "Rename the folder: APIM restricts length and characters of ids."},
		{SourceUnknownEntry, Warning, "file or folder is not part of the APIOps layout", "It has no effect. Correct its name, or move it out of the configuration folder."},
		{SourceNoInformation, Error, "resource folder lacks its information file", "Add the file, or remove the folder."},
		{SourceOperation, Error, "operation folder names an unknown operation", "Folder names below operations/ are the operation ids that the specification yields."},
		{SourceNotServed, Warning, "read and kept, but without effect yet", "The resource is listed by validate and survives an export; the gateway does not act on it yet."},
		{SourceSpecification, Warning, "specification is not used", "Keep one OpenAPI document per API; other description languages are kept but not served yet."},
		{SourceReference, Error, "resource reference cannot be understood", "Write it as a relative id (/products/x) or a full ARM id."},
		{SourceState, Warning, "subscription has no state", "ARM treats it as submitted, whose keys open nothing. Write \"state\": \"active\" when it shall work."},
		{SourceNoSecret, Error, "secret named value has no value", "Extracted artifacts never hold secret values; set the value in configuration.<environment>.yaml, taken from the environment with {#NAME#}."},
		{SourceKeyVault, Warning, "value is in Key Vault", "Key Vault is not read yet; set a value in configuration.<environment>.yaml."},
		{SourceRevision, Error, "revision is contradictory", "The folder name decides: chat is the current revision, chat;rev=2 is revision 2."},
		{SourceNoOverride, Info, "override file is not applied", "Name it as an override file when this environment shall use it."},
		{SourceSelfServer, Info, "specification names the gateway as its server", "Exported specifications name the gateway they came from; it is not used as backend. Set serviceUrl or a backend policy."},
	}
}

func overrideCodes() []CodeInfo {
	return []CodeInfo{
		{OverrideKey, Error, "unknown key in override file", "Use the keys of the APIOps publisher configuration."},
		{OverrideUnknown, Error, "override names an unknown resource", "Overrides change resources of the configuration folder; they do not create any."},
		{OverrideShape, Error, "override file has the wrong shape", "Sections are lists of entries with a name and properties."},
		{OverrideToken, Error, "token has no value", "Set the environment variable of that name, or write a default: {#NAME:default#}."},
	}
}

func openAPICodes() []CodeInfo {
	return []CodeInfo{
		{OpenAPISyntax, Error, "specification cannot be read", "Correct the document at the position."},
		{OpenAPIVersion, Error, "specification version is not supported", "OpenAPI 3.0, OpenAPI 3.1 and Swagger 2.0 are."},
		{OpenAPITooLarge, Error, "specification is too large", "APIM imports documents of up to 4 MiB."},
		{OpenAPIShape, Error, "specification element has the wrong kind", "Correct the element at the position."},
		{OpenAPIRef, Error, "reference cannot be resolved", "Only references inside the same document are followed; inline what lives in other files."},
		{OpenAPISchemaRef, Warning, "schema reference cannot be resolved", "Samples made from this schema are incomplete."},
		{OpenAPIDuplicate, Error, "two operations answer the same request", "Method, path and required query parameters must be unique in an API."},
		{OpenAPIParameter, Error, "path parameters and path disagree", "Every {name} of the path needs a parameter with in: path, and the other way round."},
		{OpenAPITemplate, Error, "path cannot become a URL template", "Templates hold literal text and {name} parts; * only as the last segment."},
		{OpenAPIDropped, Info, "import leaves parts of the specification out", "APIM drops these parts too; use policies for what they stood for."},
		{OpenAPITooBig, Error, "specification is too complex", "Reduce nesting, aliases or repeated references."},
	}
}

func ruleCodes() []CodeInfo {
	return []CodeInfo{
		{RuleDuplicateID, Error, "two resources share an id", "Ids are compared without case; rename one."},
		{RuleAPIPath, Error, "two APIs share a path", "Only versions inside one version set may share a path."},
		{RuleRevisionField, Error, "revision differs from the current one", "APIM refuses these changes on a revision that is not current; make them equal."},
		{RuleCurrentRevision, Error, "API has no single current revision", "Exactly one revision of an API is current: the folder without ;rev=."},
		{RuleVersionSet, Error, "version set is incomplete", "versioningScheme is Segment, Query (with versionQueryName) or Header (with versionHeaderName)."},
		{RuleUnknownSet, Error, "API names an unknown version set", "Add the version set, or correct apiVersionSetId."},
		{RuleOpenProduct, Error, "API is in more than one open product", "At most one product without subscriptions may hold an API."},
		{RuleUnknownAPI, Error, "unknown API", "Correct the id, or add the API."},
		{RuleUnknownGroup, Warning, "product names an unknown group", "Groups are a developer-portal matter; correct the id."},
		{RuleScope, Error, "subscription opens something unknown", "Scopes: /products/{id}, /apis/{id}, /apis, or the service."},
		{RuleDuplicateKey, Error, "subscription key is not unique", "Every key of a service opens exactly one subscription; change one of them."},
		{RuleNamedValue, Error, "named value name is not allowed", "Use letters, digits, '-', '.' and '_', at most 256 characters."},
		{RuleNamedValueTwice, Error, "two named values share a display name", "{{name}} must mean one value; rename one."},
		{RuleBackendURL, Error, "backend URL is not usable", "Write an absolute URL with scheme http, https, ws or wss."},
		{RulePool, Error, "backend pool is wrong", "A pool lists backends that exist and are not pools themselves."},
		{RuleTemplate, Error, "URL template and parameters disagree", "Every {name} of the template needs a template parameter, and the other way round."},
		{RuleOperationTwice, Error, "two operations answer the same request", "Method and URL template must be unique in an API."},
		{RulePathCharacters, Error, "API path is not usable", "Use URL path segments without query, fragment, wildcard or ;rev."},
		{RuleProtocol, Error, "unknown protocol", "Protocols are http, https, ws and wss."},
		{RuleAPIType, Error, "API type is not supported yet", "HTTP and WebSocket APIs are served so far."},
		{RuleServiceURL, Error, "service URL is not usable", "Write an absolute URL with scheme http or https, ws or wss for a WebSocket API."},
		{RuleLength, Error, "value is too long", "Shorten it to the limit of the APIM resource."},
		{RuleState, Error, "unknown subscription state", "States: active, submitted, suspended, rejected, cancelled, expired."},
		{RuleNoOperations, Warning, "API has no operations", "Every request to it is answered with 404; add a specification."},
		{RuleVersion, Error, "API version is contradictory", "apiVersion needs apiVersionSetId."},
		{RuleKeyName, Error, "subscription key name is not usable", "Header names are HTTP tokens; query names are not empty."},
		{RuleKeyLength, Error, "subscription key is not usable", "Keys have 1 to 256 characters, without line breaks or spaces around them."},
		{RuleProductTerms, Error, "open product has subscription terms", "approvalRequired and subscriptionsLimit need subscriptionRequired: true."},
		{RuleHandshake, Error, "WebSocket API with operations of its own", "A WebSocket API has one operation, onHandshake (GET /), which the system makes."},
	}
}
