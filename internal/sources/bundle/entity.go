package bundle

import (
	"maps"
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// computeFields describe models that Databricks itself runs.
func computeFields() []string {
	return []string{"entity_name", "entity_version", "model_name", "model_version", "workload_size", "workload_type",
		"scale_to_zero_enabled", "min_provisioned_concurrency", "max_provisioned_concurrency", "min_provisioned_throughput",
		"max_provisioned_throughput", "provisioned_model_units", "burst_scaling_enabled", "environment_vars", "instance_profile_arn"}
}

func tasks() []string { return []string{"llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"} }

// providers maps each provider to its configuration block.
func providers() map[string]string {
	return map[string]string{
		"openai": "openai_config", "anthropic": "anthropic_config", "cohere": "cohere_config",
		"amazon-bedrock": "amazon_bedrock_config", "google-cloud-vertex-ai": "google_cloud_vertex_ai_config",
		"databricks-model-serving": "databricks_model_serving_config", "palm": "palm_config",
		"ai21labs": "ai21labs_config", "custom": "custom_provider_config",
	}
}

// entity reads one served entity; nil when it cannot be served.
func (l *loader) entity(r tree.Reader, res string, servedModel bool) *model.ServedEntity {
	l.known(r, res, append(computeFields(), "name", "external_model")...)
	if !r.Has("external_model") || servedModel {
		l.out.Add(diag.ServingCustomModel, r.Node().Pos, res, "models that Databricks runs itself are not supported yet: the served entity has no external_model")
		return nil
	}
	for _, f := range computeFields() {
		if r.Has(f) {
			l.out.Add(diag.ServingExternal, r.Pos(f), res, "'%s' cannot be combined with external_model", f)
		}
	}
	ent := &model.ServedEntity{Name: r.String("name"), External: l.external(r.Sub("external_model"), res), Pos: r.Node().Pos}
	if ent.Name == "" {
		ent.Name = strings.NewReplacer(".", "-", ":", "-").Replace(ent.External.Name)
	}
	return ent
}

func (l *loader) external(r tree.Reader, res string) *model.ExternalModel {
	m := &model.ExternalModel{Name: r.Need("name"), Provider: r.Need("provider"), Pos: r.Node().Pos}
	blocks := providers()
	l.known(r, res, append(values(blocks), "name", "provider", "task")...)
	m.Task = l.task(r, m.Provider, res)
	if m.Provider == "" {
		return m
	}
	if _, ok := blocks[m.Provider]; !ok {
		known := slices.Sorted(maps.Keys(blocks))
		f := l.out.Add(diag.ServingProvider, r.Pos("provider"), res, "the provider is not known; there are %s", strings.Join(known, ", "))
		f.Hint = diag.DidYouMean(m.Provider, known)
		return m
	}
	if m.Provider != "custom" {
		l.out.Add(diag.ServingUnsupported, r.Pos("provider"), res, "provider '%s' is not supported yet", m.Provider)
	}
	l.oneBlock(r, m.Provider, res)
	if m.Provider == "custom" && r.Has("custom_provider_config") {
		m.Custom = l.custom(r.Sub("custom_provider_config"), res)
	}
	return m
}

// task reads the kind of model. The service fills in chat for custom providers.
func (l *loader) task(r tree.Reader, provider, res string) string {
	task := r.String("task")
	switch {
	case task == "" && provider == "custom":
		return tasks()[0]
	case task == "":
		r.Missing("task")
	case !slices.Contains(tasks(), task):
		l.out.Add(diag.ServingTask, r.Pos("task"), res, "the task must be one of %s", strings.Join(tasks(), ", ")).Hint = diag.DidYouMean(task, tasks())
	}
	return task
}

// oneBlock checks that there is exactly the provider's configuration block.
func (l *loader) oneBlock(r tree.Reader, provider, res string) {
	want := providers()[provider]
	if !r.Has(want) {
		l.out.Add(diag.ServingConfigBlock, r.Node().Pos, res, "provider '%s' needs %s", provider, want)
	}
	for _, block := range values(providers()) {
		if block != want && r.Has(block) {
			l.out.Add(diag.ServingConfigBlock, r.Pos(block), res, "%s does not belong to provider '%s'", block, provider)
		}
	}
}

func values(m map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
