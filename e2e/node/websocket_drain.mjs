// Holds WebSockets open through a gateway that will shut down, and says how
// they ended: "open" once all are, then one line for each.
import { once } from "node:events";
import { WebSocket } from "ws";

const url = `${process.env.E2E_GATEWAY.replace("http", "ws")}/echo`;
const sockets = [];
for (let i = 0; i < Number(process.env.E2E_SOCKETS); i++) {
  const socket = new WebSocket(url, { headers: { "api-key": process.env.E2E_MODEL_KEY } });
  socket.on("error", (e) => console.log(`error ${e.message}`));
  sockets.push(once(socket, "open").then(() => socket));
}
const ends = [];
for (const socket of await Promise.all(sockets)) {
  ends.push(once(socket, "close").then(([code, reason]) => console.log(`ended ${code} ${reason}`)));
  socket.send("hello");
  await once(socket, "message");
}
console.log("open");
await Promise.all(ends);
