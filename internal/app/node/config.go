package node

import (
	"log/slog"

	"sallyport/internal/app/rollout"
	"sallyport/internal/app/settings"
	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/sources/apiops"
	"sallyport/internal/sources/bundle"
	"sallyport/internal/telemetry"
)

// Environment looks up a variable of the process environment.
type Environment func(name string) (string, bool)

// ReadConfiguration reads what the settings point at: the APIOps folder and
// the bundle. Generated keys are not filled in.
func ReadConfiguration(set *settings.Settings, env Environment) rollout.Candidate {
	return readConfiguration(set, env, nil)
}

func readConfiguration(set *settings.Settings, env Environment, cache *apiops.Cache) rollout.Candidate {
	var c rollout.Candidate
	if set.Configuration.APIOps == "" {
		c.Snapshot = &model.Snapshot{ServiceName: set.Service.Name}
	} else {
		snap, findings, listing := apiops.Load(set.Configuration.APIOps, apiops.Options{
			Overrides: set.Configuration.Overrides, Tokens: token(set, env), ServiceName: set.Service.Name, Cache: cache,
		})
		c.Snapshot, c.Findings, c.Dirs = snap, findings, listing.Dirs()
		for _, n := range listing.Counts {
			c.Read = append(c.Read, rollout.Count{Kind: n.Kind, N: n.N, Served: n.Served})
		}
	}
	if set.Serving.Enabled && set.Serving.Bundle != "" {
		endpoints, findings := bundle.Load(set.Serving.Bundle, bundle.Options{
			Variables: variable(set, env), AllowInsecureLoopback: set.Serving.AllowInsecureLoopback, Target: set.Serving.Target,
			Folder: func(dir string) { c.Dirs = append(c.Dirs, dir) },
		})
		c.Findings = append(c.Findings, findings...)
		if c.Snapshot != nil {
			c.Snapshot.ServingEndpoints = endpoints
			c.Read = append(c.Read, rollout.Count{Kind: "serving endpoints", N: len(endpoints), Served: true})
		}
	}
	return c
}

// token gives {#NAME#} its value: the environment first, then the settings.
func token(set *settings.Settings, env Environment) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := env(name); ok {
			return v, true
		}
		v, ok := set.Configuration.Tokens[name]
		return v.Reveal(), ok
	}
}

// variable gives a bundle variable its value, as the Databricks CLI does:
// BUNDLE_VAR_name of the environment, then ours, then the bundle's default.
func variable(set *settings.Settings, env Environment) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := env("BUNDLE_VAR_" + name); ok {
			return v, true
		}
		v, ok := set.Serving.Variables[name]
		return v, ok
	}
}

// read is ReadConfiguration with generated subscription keys filled in.
func (n *Node) read() rollout.Candidate {
	c := readConfiguration(n.set, n.env, &n.cache)
	if c.Snapshot == nil {
		return c
	}
	for _, s := range c.Snapshot.Subscriptions {
		if !s.PrimaryKey.IsZero() && !s.SecondaryKey.IsZero() {
			continue
		}
		primary, secondary, created, err := n.keys.Keys(s.ID)
		if err != nil {
			c.Findings.Add(diag.StateUnusable, diag.Pos{File: n.set.State.Dir}, "subscriptions/"+s.ID, "The keys of subscription '%s' cannot be kept: %v.", s.ID, err)
			continue
		}
		if created {
			n.log.Info("generated subscription keys", slog.String("subscription", s.ID))
		}
		if s.PrimaryKey.IsZero() {
			s.PrimaryKey = primary
		}
		if s.SecondaryKey.IsZero() {
			s.SecondaryKey = secondary
		}
	}
	return c
}

// apply puts an accepted plan in force.
func (n *Node) apply(p *plan.Plan) {
	n.gateway.Swap(p)
	n.serving.Apply(p.Snapshot.ServingEndpoints)
}

// attempted tells the metrics how a load went.
func (n *Node) attempted(s rollout.Status) {
	n.metrics.ConfigReload(telemetry.Reload{
		Accepted: s.Accepted, Generation: s.Generation, At: s.LastAttempt,
		Errors: s.Findings.Count(diag.Error), Warnings: s.Findings.Count(diag.Warning),
	})
}
