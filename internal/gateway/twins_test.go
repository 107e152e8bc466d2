package gateway

import (
	"testing"

	"sallyport/internal/wire"
)

func TestDropTwins(t *testing.T) {
	client := wire.Header{{Name: "X_User"}, {Name: "x_api-Key"}, {Name: "Own_Name"}, {Name: "Content_Length"}, {Name: "Transfer_Encoding"}}
	h := wire.Header{{Name: "X_User", Value: "1"}, {Name: "x-user", Value: "2"}, {Name: "x_api-Key", Value: "3"}, {Name: "Own_Name", Value: "4"}, {Name: "Content_Length", Value: "5"},
		{Name: "Transfer_Encoding", Value: "6"}, {Name: "X-Api-Key", Value: "7"}, {Name: "Set_By_Policy", Value: "8"}, {Name: "Set-By-Policy", Value: "9"}}
	got := ""
	for _, f := range dropTwins(h, client) {
		got += f.Value
	}
	if got != "24789" {
		t.Errorf("kept %s, want 24789", got)
	}
}
