package diag

// SP122x–SP124x: policy elements against their specs, and their place in a
// document. SP125x: what policies refer to.
const (
	PolicyAttributeUnknown  Code = "SP1220"
	PolicyAttributeMissing  Code = "SP1221"
	PolicyAttributeValue    Code = "SP1222"
	PolicyExpression        Code = "SP1223"
	PolicyTextMissing       Code = "SP1224"
	PolicyTextNotAllowed    Code = "SP1225"
	PolicyChildUnknown      Code = "SP1226"
	PolicyChildOrder        Code = "SP1227"
	PolicyChildCount        Code = "SP1228"
	PolicyUnknown           Code = "SP1230"
	PolicyNotSupported      Code = "SP1231"
	PolicySectionNotAllowed Code = "SP1232"
	PolicyScopeNotAllowed   Code = "SP1233"
	PolicySectionUnknown    Code = "SP1234"
	PolicySectionRepeated   Code = "SP1235"
	PolicyRepeated          Code = "SP1236"
	PolicyRoot              Code = "SP1237"
	PolicyBaseGlobal        Code = "SP1238"
	PolicyBaseRepeated      Code = "SP1239"
	PolicySectionMissing    Code = "SP1240"
	PolicyNoForward         Code = "SP1241"
	PolicyGone              Code = "SP1242"
	PolicyHandshake         Code = "SP1243"
	PolicyHandshakeSkipped  Code = "SP1244"
	PolicyNamedValueMissing Code = "SP1250"
	PolicyFragmentMissing   Code = "SP1251"
	PolicyFragmentContent   Code = "SP1252"
	PolicyBackendMissing    Code = "SP1253"
	PolicyValue             Code = "SP1254"
	PolicyExtension         Code = "SP1255"
	PolicyProtectedHeader   Code = "SP1256"
	PolicyServiceURL        Code = "SP1257"
	PolicyURLTemplate       Code = "SP1258"
)

func checkCodes() []CodeInfo {
	return []CodeInfo{
		{PolicyAttributeUnknown, Error, "unknown attribute of a policy element", "Remove the attribute or correct its spelling; the policy reference lists the attributes."},
		{PolicyAttributeMissing, Error, "required attribute missing", "Add the attribute."},
		{PolicyAttributeValue, Error, "attribute value of the wrong type or out of range", "Give a value of the type named in the message."},
		{PolicyExpression, Error, "policy expression, not supported yet", "Give a literal or a named value; expressions are a later release."},
		{PolicyTextMissing, Error, "element without its content", "Write the content between the tags."},
		{PolicyTextNotAllowed, Error, "text where only elements may stand", "Put the text into the child element named in the message."},
		{PolicyChildUnknown, Error, "unknown child element", "Remove the element or correct its spelling."},
		{PolicyChildOrder, Error, "child elements in the wrong order", "Azure wants children in the order of the policy statement; move the element."},
		{PolicyChildCount, Error, "too few or too many child elements", "Add or remove elements as the message says."},
		{PolicyUnknown, Error, "no such policy", "Correct the name of the policy element."},
		{PolicyNotSupported, Error, "policy known but not supported yet", "Remove the policy; nothing is ever skipped silently."},
		{PolicySectionNotAllowed, Error, "policy not allowed in this section", "Move the policy to a section that its documentation names."},
		{PolicyScopeNotAllowed, Error, "policy not allowed in this scope", "Move the policy to a document of an allowed scope."},
		{PolicySectionUnknown, Error, "unknown section", "A policy document has the sections inbound, backend, outbound and on-error."},
		{PolicySectionRepeated, Error, "section written twice", "Merge the two sections."},
		{PolicyRepeated, Error, "policy allowed once per section only", "Merge the two statements."},
		{PolicyRoot, Error, "wrong root element", "The root of a policy document is policies, that of a fragment is fragment."},
		{PolicyBaseGlobal, Warning, "base in the global document", "There is nothing above the global scope; Azure may refuse the document. Remove the element."},
		{PolicyBaseRepeated, Error, "base twice in a section", "Keep one base element per section."},
		{PolicySectionMissing, Info, "section missing, inherited as if it held base", "Write the section with a base element to make the inheritance visible."},
		{PolicyNoForward, Warning, "no forward-request in the effective backend section", "The backend is never called and clients get an empty 200; add base or forward-request."},
		{PolicyGone, Warning, "policy document is gone since the last configuration", "If the document was not removed on purpose, put it back: what it guarded is served without it."},
		{PolicyHandshake, Error, "policy not allowed on onHandshake", "The handshake of a WebSocket has no body and no cacheable answer; remove the policy."},
		{PolicyHandshakeSkipped, Warning, "policy of a WebSocket API that never runs", "Policies that onHandshake cannot have are skipped when they come from a wider scope. Remove the policy from the document of this API."},
		{PolicyNamedValueMissing, Error, "unknown named value", "Create the named value or correct its display name."},
		{PolicyFragmentMissing, Error, "unknown policy fragment", "Create the fragment or correct its id."},
		{PolicyFragmentContent, Error, "element not allowed inside a fragment", "Sections, base and include-fragment may not stand in a fragment."},
		{PolicyBackendMissing, Error, "unknown backend", "Create the backend or correct its id."},
		{PolicyValue, Error, "value that the policy cannot use", "Correct the value as the message says."},
		{PolicyExtension, Warning, "extension that Azure would refuse", "Use the portable form of the hint when the document must also run on Azure."},
		{PolicyProtectedHeader, Warning, "header that cannot be changed", "The gateway owns this header; remove the statement."},
		{PolicyServiceURL, Error, "service URL that cannot be used", "Give an absolute http or https URL without query."},
		{PolicyURLTemplate, Error, "URL template that cannot be used", "Correct the template of the operation."},
	}
}
