package node

import (
	"context"
	"log/slog"
	"strings"

	"sallyport/internal/app/settings"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/listen"
)

// intake decides who gets in. Management is never refused anything: it is
// where one looks when everything else is.
type intake struct {
	own                      *listen.Own
	limit                    *listen.Limit
	ceiling                  listen.Ceiling
	gateway, serving, manage *listen.Admission
}

// What clients read when they are turned away, in the form of the plane.
const (
	busyText     = "The service is busy. Try again in a moment."
	drainingText = "The service is shutting down. Try again."
)

// The status paths of the gateway: load balancers must get an answer above all
// when there is no room for anything else.
const (
	statusPath         = "/status-0123456789abcdef"
	internalStatusPath = "/internal-status-0123456789abcdef"
)

func (n *Node) buildIntake() {
	l := n.set.Gateway.Limits
	most := l.Connections
	if most == 0 {
		most = listen.DefaultConnections()
	}
	in := &n.intake
	in.limit, in.ceiling = listen.NewLimit(most), listen.MemoryCeiling(l.Memory)
	in.gateway = listen.NewAdmission(listen.AdmissionConfig{
		MaxInFlight: l.InFlight, Queue: int(l.Queue), QueueTimeout: n.set.Gateway.Timeouts.Queue, Own: in.own, Exempt: isStatus,
		Refuse: refusal(`{ "statusCode": 503, "message": "`, `" }`),
	}, n.gateway)
	in.serving = listen.NewAdmission(listen.AdmissionConfig{
		Own: in.own, Refuse: refusal(`{"error_code":"TEMPORARILY_UNAVAILABLE","message":"`, `"}`),
	}, n.serving)
	in.manage = listen.NewAdmission(listen.AdmissionConfig{}, n.manage)
	n.metrics.WatchIntake(n.intakeFigures)
}

func isStatus(r *wire.Request) bool {
	path, _, _ := strings.Cut(r.Target, "?")
	return path == statusPath || path == internalStatusPath
}

func refusal(before, after string) func(wire.Responder, listen.Reason) {
	busy, draining := []byte(before+busyText+after), []byte(before+drainingText+after)
	return func(w wire.Responder, why listen.Reason) {
		body := busy
		if why == listen.Draining {
			body = draining
		}
		wire.Reply(w, 503, "application/json", body, wire.Field{Name: "Retry-After", Value: "1"})
	}
}

// watchMemory turns requests away while memory is short. Calls that have come
// in go on, and so do those of the chain they belong to.
func (n *Node) watchMemory(ctx context.Context) {
	n.intake.ceiling.Watch(ctx, func(short bool) {
		n.intake.gateway.Press(short)
		n.intake.serving.Press(short)
		attrs := []any{slog.Int64("ceiling", n.intake.ceiling.Bytes), slog.String("from", n.intake.ceiling.From)}
		if short {
			n.log.Warn("memory is short, new requests are turned away", attrs...)
			return
		}
		n.log.Info("memory has recovered, requests are let in again", attrs...)
	})
}

func (n *Node) intakeFigures() telemetry.Intake {
	in := &n.intake
	f := telemetry.Intake{
		Queued: in.gateway.Queued(), Pressed: in.gateway.Shedding(), MemoryCeiling: in.ceiling.Bytes,
		Shed: []telemetry.ShedCount{{Reason: "connections", N: in.limit.Refused()}},
	}
	for _, why := range []listen.Reason{listen.QueueFull, listen.QueueTimeout, listen.Memory, listen.Draining} {
		f.Shed = append(f.Shed, telemetry.ShedCount{Reason: why.String(), N: in.gateway.Shed(why) + in.serving.Shed(why)})
	}
	for _, l := range n.opened() {
		f.AcceptErrors += l.net.AcceptErrors()
		f.ProxyErrors += l.net.ProxyErrors()
		if isGateway(l.plane) {
			f.Connections += l.net.Open()
		}
	}
	return f
}

func isGateway(plane string) bool { return plane == planeGateway || plane == planeGatewayTLS }

// listenConfig is what the listener of a plane lets in.
func (n *Node) listenConfig(plane string, t settings.TLS) listen.Config {
	c := listen.Config{Log: n.log}
	if isGateway(plane) {
		c.Limit, c.Plain, c.Trusted = n.intake.limit, t.Listen == "", n.set.Gateway.ProxyProtocol.Trusted
	}
	return c
}
