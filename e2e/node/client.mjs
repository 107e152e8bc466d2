// Talks to a running chain with the npm openai client, as an application would,
// and says on standard output what it got. It checks what only the client can
// see; an error that is not expected ends it with code 1.
import assert from "node:assert/strict";
import { AzureOpenAI, OpenAI } from "openai";
import { Agent } from "undici";

const need = (name) => {
  assert.ok(process.env[name], `${name} is not set`);
  return process.env[name];
};
const gateway = need("E2E_GATEWAY");
const messages = [{ role: "user", content: "What is a sally port?" }];

// talk asks in one piece and streamed; the two answers must agree.
async function talk(name, client, model) {
  const whole = await client.chat.completions.create({ model, messages });
  const text = whole.choices[0].message.content;
  assert.ok(text.length > 0, "an empty answer");
  assert.ok(whole.usage.total_tokens > 0, "no usage");

  let streamed = "";
  let chunks = 0;
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
    chunks++;
  }
  assert.equal(streamed, text);
  assert.ok(chunks >= 4, `the stream came in ${chunks} chunks`);
  console.log(`${name}: ok`);
}

// refused wants an error of the API with a status and, when given, a code.
async function refused(name, call, status, code) {
  const e = await call.then(
    () => assert.fail(`${name}: was not refused`),
    (e) => e,
  );
  assert.equal(e.status, status, `${name}: ${e}`);
  if (code) assert.equal(e.code, code, `${name}: ${e}`);
  console.log(`${name}: ok`);
}

const plain = new OpenAI({ baseURL: `${gateway}/serving-endpoints`, apiKey: need("E2E_USER_KEY"), maxRetries: 0 });
await talk("OpenAI", plain, "dublin-chat");
await refused("OpenAI, unknown endpoint", plain.chat.completions.create({ model: "no-such-endpoint", messages }), 404);

const azure = (dispatcher) =>
  new AzureOpenAI({
    endpoint: `${gateway}/foundry`,
    apiKey: need("E2E_MODEL_KEY"),
    apiVersion: "2024-10-21",
    maxRetries: 0,
    fetchOptions: dispatcher ? { dispatcher } : {},
  });
const inside = new Agent({ localAddress: need("E2E_SERVING_ADDRESS") });
await talk("AzureOpenAI", azure(inside), "gpt-4.1-mini");
await refused("AzureOpenAI, unknown deployment", azure(inside).chat.completions.create({ model: "no-such-deployment", messages }), 404, "DeploymentNotFound");
await refused("AzureOpenAI, outside the ip-filter", azure().chat.completions.create({ model: "gpt-4.1-mini", messages }), 403);
await inside.close();
