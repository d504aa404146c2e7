// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// node's http server with the query parameters of asgi_app.py; usage: node node_app.js PORT
const http = require('http');

const server = http.createServer((req, res) => {
	const want = new URL(req.url, 'http://host').searchParams;
	const number = (name, otherwise) => (want.has(name) ? Number(want.get(name)) : otherwise);
	const answer = () => {
		const size = number('n', 200), chunk = number('chunk', 0), status = number('status', 200);
		const bare = status === 204 || status === 304;
		const headers = { 'Content-Type': 'text/plain', 'X-Pid': process.pid };
		if (!chunk && !bare)
			headers['Content-Length'] = size;
		res.writeHead(status, headers);
		const body = Buffer.alloc(bare ? 0 : size, 'x');
		if (want.has('cut')) {
			res.write(body.subarray(0, number('cut', 0)), () => res.socket.destroy());
			return;
		}
		const step = chunk || body.length || 1;
		for (let at = 0; at < body.length; at += step)
			res.write(body.subarray(at, at + step));
		res.end();
	};
	const later = () => (want.has('pause') ? setTimeout(answer, number('pause', 0)) : answer());
	req.on('data', () => {});
	req.on('end', later);
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), '127.0.0.1');
