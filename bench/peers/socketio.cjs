// socket.io as its guide has it: what one client publishes, every client hears.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const server = new Server(http);

server.on("connection", (socket) => {
  socket.on("publish", (message) => server.emit("event", message));
});

http.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
