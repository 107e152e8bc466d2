// A WebSocket server behind the gateway: it sends every message back, and does
// what a text that begins with "close" or "vanish" says. On standard output it
// tells its port and how connections ended.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  path: "/echo",
  perMessageDeflate: { threshold: 0 },
  maxPayload: 16 << 20,
  handleProtocols: (offered) => (offered.has("echo.v1") ? "echo.v1" : false),
});
server.on("listening", () => console.log(`port ${server.address().port}`));
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    const [command, code, reason] = binary || data.length > 100 ? [] : data.toString().split(" ");
    if (command === "close") socket.close(Number(code), reason);
    else if (command === "vanish") socket.terminate();
    else socket.send(data, { binary });
  });
  socket.on("error", () => {});
  socket.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
});
