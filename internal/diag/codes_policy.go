package diag

// SP120x–SP121x: policy documents as text, before any policy is looked at.
const (
	PolicyTooLarge         Code = "SP1200" // above 256 KiB
	PolicyXML              Code = "SP1201" // not well-formed, none of the more precise codes below
	PolicyEntity           Code = "SP1202" // '&' that begins no known reference
	PolicyExpressionSyntax Code = "SP1203" // C# that cannot be split into tokens
	PolicyMixedValue       Code = "SP1204" // literal text beside an expression
	PolicyTag              Code = "SP1205" // start and end tags disagree
	PolicyAttributeSyntax  Code = "SP1206" // quotes, '=', white space
	PolicyAttributeTwice   Code = "SP1207"
	PolicyCharacter        Code = "SP1208" // character or encoding that XML does not know
	PolicyDoctype          Code = "SP1209"
	PolicyTooComplex       Code = "SP1210" // nesting or number of nodes
	PolicyComment          Code = "SP1211" // "--" inside a comment
	PolicyReadStopped      Code = "SP1212" // too many findings
)

func policyCodes() []CodeInfo {
	return []CodeInfo{
		{PolicyTooLarge, Error, "policy document is too large", "APIM refuses documents above 256 KiB; move parts into policy fragments."},
		{PolicyXML, Error, "policy document is not well-formed", "Correct the XML at the position."},
		{PolicyEntity, Error, "'&' begins no known reference", "Write &amp; for the character itself; known names are amp, lt, gt, quot and apos. Only inside a policy expression of a rawxml document may '&' stand raw."},
		{PolicyExpressionSyntax, Error, "policy expression cannot be read", "Correct the C# at the position: strings, characters and comments must end, brackets must match. In a document of format xml, write \" as &quot; inside attributes."},
		{PolicyMixedValue, Warning, "literal text beside a policy expression", "A value is either literal text or one expression, so nothing here is evaluated. Build the whole text inside the expression: @(\"Bearer \" + token)."},
		{PolicyTag, Error, "start and end tags do not match", "Close every element in the order in which they were opened."},
		{PolicyAttributeSyntax, Error, "attribute is malformed", "Write name=\"value\" with white space between attributes. Raw quotes are only allowed inside a value that is one policy expression, in a document of format rawxml."},
		{PolicyAttributeTwice, Error, "attribute written twice", "Remove one of the two."},
		{PolicyCharacter, Error, "character that XML does not allow", "Save the document as UTF-8 and remove control characters."},
		{PolicyDoctype, Error, "document type declaration", "Remove the DOCTYPE; policy documents have none and entities cannot be declared."},
		{PolicyTooComplex, Error, "policy document is too complex", "Reduce nesting or the number of elements; move parts into policy fragments."},
		{PolicyComment, Warning, "'--' inside a comment", "XML does not allow it and Azure may refuse the document. Write something else, for example '- -'."},
		{PolicyReadStopped, Info, "reading stopped", "Correct the findings so far and read the document again."},
	}
}
