// Opens WebSockets through a running gateway with the npm ws client and the
// realtime client of the npm openai package, and says on standard output what
// it got. An error that is not expected ends it with code 1.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { AzureOpenAI } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { WebSocket } from "ws";

const need = (name) => {
  assert.ok(process.env[name], `${name} is not set`);
  return process.env[name];
};
const gateway = need("E2E_GATEWAY").replace("http", "ws");
const tls = need("E2E_TLS");
const ca = readFileSync(need("E2E_CA"));
const key = need("E2E_MODEL_KEY");
const headers = { "api-key": key };
const echo = `${gateway}/echo`;

async function check(name, run) {
  try {
    await run();
  } catch (e) {
    console.error(`${name}: ${e.stack}`);
    process.exit(1);
  }
  console.log(`${name}: ok`);
}

async function open(url, options = {}, protocols = []) {
  const socket = new WebSocket(url, protocols, { headers, ...options });
  await once(socket, "open");
  return socket;
}

async function next(socket) {
  const [data, binary] = await once(socket, "message");
  return { data, binary };
}

// ended closes (when asked to) and returns code and reason that came back.
async function ended(socket, code) {
  const end = once(socket, "close");
  if (code) socket.close(code, "by the client");
  const [got, reason] = await end;
  return `${got} ${reason}`;
}

// refused returns the status of a handshake that must fail.
async function refused(url, options) {
  const socket = new WebSocket(url, options);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  response.resume();
  socket.terminate();
  return response.statusCode;
}

await check("text and binary", async () => {
  const socket = await open(echo);
  for (const message of ["hello", Buffer.from([0, 255, 1]), "", "grüße ✓"]) {
    socket.send(message);
    const { data, binary } = await next(socket);
    assert.deepEqual(data, Buffer.from(message));
    assert.equal(binary, typeof message !== "string");
  }
  assert.equal(await ended(socket, 4001), "4001 by the client");
});

await check("order of many messages", async () => {
  const socket = await open(echo, { perMessageDeflate: false });
  const got = [];
  socket.on("message", (data) => got.push(Number(data.toString())));
  for (let i = 0; i < 5000; i++) socket.send(String(i));
  while (got.length < 5000) await once(socket, "message");
  assert.ok(got.every((n, i) => n === i));
  await ended(socket, 1000);
});

await check("ping and pong", async () => {
  const socket = await open(echo);
  socket.ping("are you there");
  const [payload] = await once(socket, "pong");
  assert.equal(payload.toString(), "are you there");
  await ended(socket, 1000);
});

await check("close by the backend", async () => {
  const socket = await open(echo);
  socket.send("close 4002 enough");
  assert.equal(await ended(socket), "4002 enough");
});

await check("backend vanishes", async () => {
  const socket = await open(echo);
  socket.send("vanish");
  assert.match(await ended(socket), /^1011 /);
});

for (const perMessageDeflate of [false, true]) {
  await check(`4 MB, compression ${perMessageDeflate}`, async () => {
    const socket = await open(echo, { perMessageDeflate, maxPayload: 16 << 20 });
    const sent = randomBytes(4 << 20);
    socket.send(sent);
    const { data } = await next(socket);
    assert.ok(sent.equals(data));
    assert.equal(socket.extensions.includes("permessage-deflate"), perMessageDeflate);
    await ended(socket, 1000);
  });
}

await check("fragments with a ping between", async () => {
  const socket = await open(echo);
  socket.send("in ", { fin: false });
  socket.ping();
  socket.send("three ", { fin: false });
  socket.send("pieces", { fin: true });
  const { data } = await next(socket);
  assert.equal(data.toString(), "in three pieces");
  await ended(socket, 1000);
});

await check("subprotocol", async () => {
  const socket = await open(echo, {}, ["other", "echo.v1"]);
  assert.equal(socket.protocol, "echo.v1");
  await ended(socket, 1000);
});

await check("keys", async () => {
  await ended(await open(`${echo}?api-key=${key}`, { headers: {} }), 1000);
  assert.equal(await refused(echo, {}), 401);
  assert.equal(await refused(`${echo}?api-key=wrong`, {}), 401);
  assert.equal(await refused(`${echo}/longer`, { headers }), 404);
});

await check("refused by the backend", async () => {
  assert.equal(await refused(`${gateway}/foundry/openai/realtime?api-version=2024-10-01-preview&deployment=nope`, { headers }), 404);
});

await check("plain request", async () => {
  const response = await fetch(`${need("E2E_GATEWAY")}/echo`, { headers });
  assert.equal(response.status, 400);
  assert.match((await response.json()).message, /WebSocket/);
});

await check("over TLS", async () => {
  const socket = await open(`${tls.replace("https", "wss")}/echo`, { ca });
  socket.send("secret");
  assert.equal((await next(socket)).data.toString(), "secret");
  await ended(socket, 1000);
});

await check("openai realtime", async () => {
  const client = new AzureOpenAI({ endpoint: `${tls}/foundry`, apiKey: key, apiVersion: "2024-10-01-preview" });
  const realtime = await OpenAIRealtimeWS.azure(client, { deploymentName: "gpt-4.1-mini", options: { ca } });
  let text = "";
  let deltas = 0;
  const done = new Promise((resolve, reject) => {
    realtime.on("error", reject);
    realtime.on("session.created", () => {
      realtime.send({ type: "session.update", session: { instructions: "Be short." } });
      realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text: "What is a sally port?" }] } });
      realtime.send({ type: "response.create" });
    });
    realtime.on("response.text.delta", (event) => {
      text += event.delta;
      deltas++;
    });
    realtime.on("response.done", resolve);
  });
  const { response } = await done;
  assert.equal(response.status, "completed");
  assert.equal(response.output[0].content[0].text, text);
  assert.ok(deltas > 4, `${deltas} deltas`);
  assert.ok(response.usage.output_tokens > 0);
  const end = once(realtime.socket, "close");
  realtime.close();
  assert.equal((await end)[0], 1000);
});
