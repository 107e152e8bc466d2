package std
import ("testing";"context";"time";"io";"strings";"net/http";"fmt";"sallyport/internal/wire")
func TestDbg(t *testing.T) {
	backend, _ := start(t, ServerConfig{}, streamer(t))
	proxy, ps := start(t, ServerConfig{MaxTarget:12345}, relay(transport(t, TransportConfig{}), backend))
	_ = ps
	client := transport(t, TransportConfig{})
	gate := make(chan struct{})
	time.AfterFunc(20*time.Millisecond, func(){close(gate)})
	body := strings.Repeat("x", 70000)
	h := &halves{first: []byte(body[:35000]), second: []byte(body[35000:]), gate: gate}
	in, err := client.RoundTrip(context.Background(), &wire.Outgoing{Method:"POST", Scheme:"http", Authority: proxy, Target:"/early/1", Body: h, ContentLength: 70000})
	if err != nil { t.Fatal(err) }
	b, err := io.ReadAll(in.Body)
	fmt.Println(in.Status, len(b), err)
	_ = http.NoBody
}
