package diag

// SP16xx: published address ranges. See Catalogue.
const (
	RangesMalformed     Code = "SP1601" // not JSON, or not a range feed
	RangesTooLarge      Code = "SP1602" // larger than any genuine feed
	RangesSchemaVersion Code = "SP1603" // schemaVersion missing or of another major
	RangesField         Code = "SP1604" // a field is missing or of the wrong type
	RangesPlatform      Code = "SP1605" // group of a platform or direction we do not know
	RangesPrefix        Code = "SP1606" // not an address or CIDR prefix
	RangesHostBits      Code = "SP1607" // prefix with host bits, masked
	RangesRepeated      Code = "SP1608" // prefix or group listed twice
	RangesReserved      Code = "SP1609" // private or reserved addresses
	RangesTooWide       Code = "SP1610" // prefix shorter than the guard allows
	RangesEmpty         Code = "SP1611" // group without any prefix
	RangesUnknown       Code = "SP1612" // no list of that name
	RangesShrunk        Code = "SP1613" // list lost more than the guard allows
	RangesLacking       Code = "SP1614" // policy refuses published addresses
	RangesExcess        Code = "SP1615" // policy admits unpublished addresses
)

func rangesCodes() []CodeInfo {
	return []CodeInfo{
		{RangesMalformed, Error, "Address range feed cannot be read",
			"The document is neither a Databricks ip-ranges.json nor an Azure service tag file. Look at the position; a sign-in or error page saved in place of the file is the usual cause. The last good list stays in use."},
		{RangesTooLarge, Error, "Address range feed is too large",
			"A Databricks feed may have 5 MiB, a service tag file 16 MiB; the genuine ones are far smaller. Check the address it was fetched from."},
		{RangesSchemaVersion, Error, "Address range feed has an unsupported schema version",
			"Only major version 1 of the Databricks feed is understood. Its meaning may have changed, so nothing is taken from it; update Sallyport or pin the last good file."},
		{RangesField, Error, "Address range feed has a missing or wrongly typed field",
			"A Databricks group needs platform, region, type and lists of prefixes; a service tag needs name and properties.addressPrefixes. The whole document is refused, because what else changed cannot be known."},
		{RangesPlatform, Warning, "Address group of an unknown platform or direction",
			"Platforms are aws, azure and gcp, directions inbound and outbound. The group is left out; the others stay usable."},
		{RangesPrefix, Error, "Entry is not an address or CIDR prefix",
			"Write 192.0.2.7, 192.0.2.0/28 or the IPv6 forms, without zone and without leading zeros. The group is refused as a whole, so that no list is applied half."},
		{RangesHostBits, Warning, "Prefix has host bits set",
			"The prefix was taken as the network it lies in, for example 192.0.2.9/28 as 192.0.2.0/28. Genuine feeds never do this: the file was probably edited by hand."},
		{RangesRepeated, Warning, "Address prefix or group is listed twice",
			"The repetition has no effect: prefixes count once, groups of one name are joined."},
		{RangesReserved, Error, "List holds private or reserved addresses",
			"Published lists hold public addresses only. Admitting private, loopback, link-local, documentation or multicast ranges would open the gateway to its own network, so the group is refused."},
		{RangesTooWide, Error, "Prefix is too wide",
			"Prefixes shorter than /16 (IPv4) or /32 (IPv6) are refused, so that a faulty feed cannot open the gateway to a large part of the internet. Pick a narrower list, for example a regional service tag."},
		{RangesEmpty, Error, "Address list is empty",
			"An empty allow list locks every caller out, so it is never applied. Some regions publish only one direction; check the name."},
		{RangesUnknown, Error, "Address list does not exist",
			"Names are databricks/<platform>/<region>/<inbound|outbound> and azure-tag/<Tag>[.<Region>]. The embedded data holds Azure East US only; load the published feed for other regions."},
		{RangesShrunk, Error, "Address list shrank suspiciously",
			"The new list drops more addresses than the guard allows. The last good list stays in use; compare both and raise the limit for one run if the change is genuine."},
		{RangesLacking, Error, "Policy refuses addresses that are published",
			"Callers from these addresses get 403. Print a fresh ip-filter with 'sallyport ranges' and replace the list."},
		{RangesExcess, Warning, "Policy admits addresses that are not published",
			"These may be withdrawn ranges or deliberate additions such as your own addresses. Remove them unless you know whose they are."},
	}
}
