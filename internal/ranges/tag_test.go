package ranges

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The shape of ServiceTags_Public_YYYYMMDD.json: prefixes of both families
// mixed, and case that differs between tags.
const tagFile = `{
  "changeNumber": 363,
  "cloud": "Public",
  "values": [
    {"name": "AzureDatabricks", "id": "AzureDatabricks", "properties": {
      "changeNumber": 48, "region": "", "regionId": 0, "platform": "Azure", "systemService": "AzureDatabricks",
      "addressPrefixes": ["20.42.4.208/32", "20.42.74.128/26", "2603:1000:4::160/123"], "networkFeatures": ["API", "NSG"]}},
    {"name": "ApiManagement.EastUS", "id": "ApiManagement.EastUS", "properties": {
      "region": "eastus", "systemService": "AzureApiManagement",
      "addressPrefixes": ["20.42.4.212/31", "52.224.186.99/32"], "networkFeatures": null}},
    {"name": "AzureCloud.eastus", "id": "AzureCloud.eastus", "properties": {
      "region": "eastus", "systemService": "", "addressPrefixes": ["20.40.0.0/14"]}},
    {"name": "AzurePlatformIMDS", "id": "AzurePlatformIMDS", "properties": {
      "systemService": null, "addressPrefixes": ["169.254.169.254/32"]}}
  ]
}`

func TestServiceTags(t *testing.T) {
	feed := parse(t, tagFile)
	if feed.ChangeNumber != 363 || feed.Cloud != "Public" {
		t.Errorf("change number %d, cloud %q", feed.ChangeNumber, feed.Cloud)
	}
	if d := cmp.Diff([]string{"azure-tag/ApiManagement.EastUS", "azure-tag/AzureCloud.eastus", "azure-tag/AzureDatabricks", "azure-tag/AzurePlatformIMDS"}, feed.Names()); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"azure-tag/ApiManagement.EastUS", "azure-tag:apimanagement.eastus", " AZURE-TAG/APIMANAGEMENT.EASTUS "} {
		g, found := feed.Group(name)
		if len(found) > 0 || g.Name != "azure-tag/ApiManagement.EastUS" || g.Set.Count() != 3 {
			t.Errorf("%s: %+v, %v", name, g, found)
		}
	}
	g, found := feed.Group("azure-tag/AzureDatabricks")
	if d := cmp.Diff([]string{"20.42.4.208", "20.42.74.128-20.42.74.191", "2603:1000:4::160-2603:1000:4::17f"}, texts(g.Set.Ranges())); d != "" || len(found) > 0 {
		t.Error(d, found)
	}
	for name, code := range map[string]string{"azure-tag/AzureCloud.EastUS": "SP1610", "azure-tag/AzurePlatformIMDS": "SP1609"} {
		if _, found := feed.Group(name); !cmp.Equal(codes(found), []string{code}) {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func TestServiceTagFindings(t *testing.T) {
	for name, tt := range map[string]struct{ doc, want string }{
		"no name":       {`{"values":[{"properties":{"addressPrefixes":[]}}]}`, "feed.json:1:12: error SP1604: service tag has no usable 'name'"},
		"no properties": {`{"values":[{"name":"A"}]}`, "feed.json:1:12: error SP1604: service tag 'A' has no 'properties.addressPrefixes'"},
		"properties":    {`{"values":[{"name":"A","properties":1}]}`, "feed.json:1:37: error SP1604: 'properties' must be an object"},
		"no object":     {`{"values":["A"]}`, "feed.json:1:12: error SP1604: a service tag must be an object"},
		"values":        {`{"values":"A"}`, "feed.json:1:11: error SP1604: 'values' must be a list"},
		"empty":         {`{"values":[{"name":"A","properties":{"addressPrefixes":[]}}]}`, "feed.json:1:12: error SP1611: azure-tag/A lists no address"},
	} {
		if found := lint(tt.doc); len(found) == 0 || found[0].String() != tt.want {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	regions := `{"schemaVersion":"1.0","prefixes":[
		{"platform":"azure","region":"eastus","type":"inbound","ipv4Prefixes":["20.42.4.209"]},
		{"platform":"azure","region":"eastus","type":"outbound","ipv4Prefixes":["20.42.4.208"]},
		{"platform":"azure","region":"usgovvirginia","type":"inbound","ipv4Prefixes":["20.42.4.209"]},
		{"platform":"aws","region":"us-east-1","type":"outbound","ipv4Prefixes":["3.5.7.9"]}]}`
	catalog := NewCatalog(parse(t, regions), parse(t, tagFile))
	for name, want := range map[string][2]string{
		"databricks/azure/eastsu/outbound":        {"platform 'azure' has no region 'eastsu'", "did you mean 'eastus'?"},
		"databricks/azure/East US/outbound":       {"platform 'azure' has no region 'east us'", "did you mean 'eastus'?"},
		"databricks:azure:eastus:outbond":         {"unknown direction 'outbond'", "did you mean 'outbound'?"},
		"databricks/azur/eastus/outbound":         {"unknown platform 'azur'", "did you mean 'azure'?"},
		"databricks/azure/us-east-1/outbound":     {"does not exist", "region 'us-east-1' belongs to platform 'aws'"},
		"databricks/azure/usgovvirginia/outbound": {"region 'usgovvirginia' publishes no outbound list, only inbound", ""},
		"databricks/gcp/europe-west1/outbound":    {"the feed has no list of platform 'gcp'", ""},
		"databricks/azure/eastus":                 {"the form is databricks/<platform>/<region>/<inbound|outbound>", ""},
		"azure-tag/ApiManagment.EastUS":           {"does not exist", "did you mean 'ApiManagement.EastUS'?"},
		"azure-tags/AzureDatabricks":              {"names start with", "did you mean 'azure-tag'?"},
		"":                                        {"names start with", ""},
	} {
		set, _, err := catalog.Resolve(name)
		le, ok := err.(*ListError)
		if !ok || set != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f := le.Finding; f.Code != "SP1612" || !strings.Contains(f.Message, want[0]) || f.Hint != want[1] {
			t.Errorf("%s:\n%s\nwant %q", name, f, want)
		}
	}
}

func TestEmbeddedSaysWhatItLacks(t *testing.T) {
	feed, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = NewCatalog(feed).Resolve("databricks/azure/westus/outbound")
	if err == nil || !strings.Contains(err.Error(), "the embedded data holds Azure East US only") {
		t.Error(err)
	}
	_, _, err = NewCatalog(feed).Resolve("azure-tag/Storage")
	if err == nil || !strings.Contains(err.Error(), "no Azure service tag file is loaded") {
		t.Error(err)
	}
	if _, _, err := (Catalog{}).Resolve("databricks/azure/eastus/outbound"); err == nil {
		t.Error("the empty catalog resolves")
	}
}

func TestCatalogPriority(t *testing.T) {
	embedded, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	const name = "databricks/azure/eastus/outbound"
	base := NewCatalog(embedded)
	newer := base.With(parse(t, feedJSON("20.42.4.208/32")))
	if set, info, err := newer.Resolve(name); err != nil || set.Count() != 1 || info.Source != "feed.json" || info.Embedded {
		t.Errorf("newer feed does not win: %v %v", info, err)
	}
	if set, info, err := newer.Resolve("databricks/azure/eastus/inbound"); err != nil || set.Count() != 51 || !info.Embedded {
		t.Errorf("what only the older feed has is lost: %v %v", info, err)
	}
	if set, _, err := base.Resolve(name); err != nil || set.Count() != 3459 {
		t.Errorf("With changed the catalog it was called on: %v", err)
	}
	if _, _, err := base.With(parse(t, feedJSON("10.0.0.0/24"))).Resolve(name); err == nil || !strings.Contains(err.Error(), "SP1609") {
		t.Errorf("a faulty newer list is covered up: %v", err)
	}
	if got := len(newer.Names()); got != 2 {
		t.Errorf("%d names", got)
	}
}
