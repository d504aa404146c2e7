/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_http1.c - HTTP/1 conversations that are in step: framing, pairing, ends, anomalies, times.
 */
#include "test_http1_script.h"

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* clang-format off */
static const struct script scripts[] = {
	/* framing of responses */
	{ "length", { ">GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "<" OK5, "!t" }, "GET /a []. 200 [hello].", 0 },
	{ "length in two calls", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "<hello" }, "GET /a []. 200 [hello].", 0 },
	{ "no reason phrase", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok" }, "GET / []. 200 [ok].", 0 },
	{ "empty", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" }, "GET / []. 404 [].", 0 },
	{ "chunked", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0A\r\n world abc\r\n0\r\n\r\n" }, "GET / []. 200 [hello world abc].", 0 },
	{ "chunk extensions", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n1 ; x\r\n!\r\n000\r\n\r\n" }, "GET / []. 200 [hello!].", 0 },
	{ "trailers", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 77\r\n\r\n", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET / []. 200 [hi]. | GET /b []. 200 [hello].", 0 },
	{ "until close", { ">GET / HTTP/1.0\r\n\r\n", "<HTTP/1.0 200 OK\r\n\r\nsome\r\nbytes", "{", "!t" }, "GET / []. 200 [someRNbytes].", 0 },
	{ "until close, closed without a FIN seen", { ">GET / HTTP/1.0\r\n\r\n", "<HTTP/1.0 200 OK\r\n\r\nsome", "!t" }, "GET / []. 200 [some].", 0 },
	{ "until close, reset", { ">GET / HTTP/1.0\r\n\r\n", "<HTTP/1.0 200 OK\r\n\r\nsome", "!R" }, "GET / []. 200 [some]? target", NO_CLIENT },
	{ "until close, reader left", { ">GET / HTTP/1.0\r\n\r\n", "<HTTP/1.0 200 OK\r\n\r\nsome", "!p" }, "GET / []. 200 [some]? peer", NO_CLIENT },
	{ "coding other than chunked: until close", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzzz", "{" }, "GET / []. 200 [zzz].", 0 },
	{ "HEAD", { ">HEAD / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "HEAD / []. 200 []. | GET /b []. 200 [hello].", 0 },
	{ "204 and 304", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 204 No Content\r\n\r\n", ">GET /b HTTP/1.1\r\n\r\n", "<HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n", ">GET /c HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /a []. 204 []. | GET /b []. 304 []. | GET /c []. 200 [hello].", 0 },
	{ "100-continue and 103", { ">POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "<HTTP/1.1 100 Continue\r\n\r\n", ">abc", "<HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK5 }, "POST / [abc]. 100+103+200 [hello].", 0 },
	/* requests */
	{ "post", { ">POST /p HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", "<" OK5 }, "POST /p [body]. 200 [hello].", 0 },
	{ "chunked post", { ">POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "<" OK5 }, "POST /p [body]. 200 [hello].", 0 },
	{ "empty lines before a request", { ">\r\n\r\nGET /a HTTP/1.1\r\n\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "<" OK5 OK5 }, "GET /a []. 200 [hello]. | GET /b []. 200 [hello].", 0 },
	{ "targets", { ">GET http://h:8/x?y HTTP/1.1\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\n", "<" OK5 OK5 }, "GET http://h:8/x?y []. 200 [hello]. | OPTIONS * []. 200 [hello].", 0 },
	{ "any method", { ">PURGE /x HTTP/1.1\r\n\r\nM-SEARCH * HTTP/1.1\r\n\r\n", "<" OK5 OK5 }, "PURGE /x []. 200 [hello]. | M-SEARCH * []. 200 [hello].", 0 },
	{ "lower case method in step", { ">GET / HTTP/1.1\r\n\r\nget /x HTTP/1.1\r\n\r\n", "<" OK5 "HTTP/1.1 400 B\r\nContent-Length: 0\r\n\r\n" }, "GET / []. 200 [hello]. | get /x []. 400 [].", 0 },
	/* pairing */
	{ "pipelined", { ">GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 2\r\n\r\nxy", "<" OK5 "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\n!" }, "GET /a []. 200 [hello]. | HEAD /b []. 200 []. | POST /c [xy]. 500 [!].", 0 },
	{ "early answer, body goes on", { ">POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc", "<HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", ">def", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "POST / [abcdef]. 401 []. | GET /b []. 200 [hello].", 0 },
	{ "early answer, closed", { ">POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc", "<HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "{", ">d", "!t" }, "POST / [abcd]. 401 [].", 0 },
	{ "early answer, agent stops", { ">POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc", "<HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "!s" }, "POST / [abc]. 401 [].", 0 },
	{ "half-close, then the answer", { ">GET / HTTP/1.1\r\n\r\n", "}", "<" OK5, "!t" }, "GET / []. 200 [hello].", 0 },
	{ "half-close in the body, then the answer", { ">POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", "}", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST / [abc]. 400 [].", 0 },
	{ "answer without a request", { ">GET / HTTP/1.1\r\n\r\n", "<" OK5 "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", "!t" }, "GET / []. 200 [hello]. | 1 unsolicited", 0 },
	{ "answer to a connection that said nothing", { "<HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n", "{", "!t" }, "1 unsolicited", 0 },
	{ "body cut, answered, then told of it", { ">POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc", "<" OK5 "HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n", "{", "!t" }, "POST / [abc]. 200 [hello]. | 1 unsolicited", 0 },
	{ "unsolicited, with a body, and asked after all", { ">GET / HTTP/1.1\r\n\r\n", "<" OK5 "HTTP/1.1 408 Timeout\r\n\r\nbody\r\n", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET / []. 200 [hello]. | GET /b []. 200 [hello]. | 1 unsolicited", ONCE },
	{ "unsolicited, of a known length, and asked after all", { "<HTTP/1.1 408 Timeout\r\nContent-Length: 4\r\n\r\nbody", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /b []. 200 [hello]. | 1 unsolicited", 0 },
	{ "no error, so it was asked for and that was lost", { ">GET / HTTP/1.1\r\n\r\n", "<" OK5 OK5, "!t" }, "GET / []. 200 [hello]. | 200 [hello]. late {response-without-request}", 0 },
	{ "garbage, answered", { ">GET / HTTP/1.1\r\n\r\n", "<" OK5, ">\x16\x03\x01", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", "{", "!t" }, "GET / []. 200 [hello]. | 400 []-gap3. late", ONCE },
	/* answers before the head is complete */
	{ "line cut in its target", { ">GET /uuu", "<HTTP/1.1 414 Long\r\nContent-Length: 2\r\n\r\nno", "{", "!t" }, "GET /uuu []. 414 [no]. cut", 0 },
	{ "line cut in its method", { ">PO", "<HTTP/1.1 408 Timeout\r\n\r\n", "{", "!t" }, "  []. 408 []. cut", NO_UNKNOWN },
	{ "line cut behind its target", { ">GET /u HTT", "<HTTP/1.1 408 Timeout\r\n\r\n", "{", "!t" }, "GET /u []. 408 [].", 0 },
	{ "line cut, half-closed", { ">GET /u", "}", "<HTTP/1.1 400 Bad\r\n\r\nno", "{", "!t" }, "GET /u []. 400 [no]. cut", 0 },
	{ "line cut, no answer", { ">GET /u", "}", "!p" }, "", 0 },
	{ "line cut, sent on after the answer", { ">GET /u", "<HTTP/1.1 414 Long\r\nContent-Length: 0\r\n\r\n", ">uu HTTP/1.1\r\nA: b\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /u []. 414 []. cut | GET /b []. 200 [hello].", 0 },
	{ "line cut, the rest lost", { ">GET /u", "<HTTP/1.1 414 Long\r\nContent-Length: 0\r\n\r\n", "[9", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /u [+]-lost9. 414 []. cut | GET /b []. 200 [hello].", 0 },
	{ "line with a gap in its call, answered", { ">GET /uuu", "/60000", ">uuu", ">uuuu", "<HTTP/1.1 400 Bad\r\n\r\nno", "!R" }, "GET /uuu [+]-gap60007. 400 [no]. cut", ONCE | NO_UNKNOWN },
	{ "line cut, answered until a close that resets", { ">GET /uuu", "<HTTP/1.1 400 Bad\r\n\r\nno", "!R" }, "GET /uuu []. 400 [no]. cut", NO_CLIENT },
	{ "line cut, after another exchange", { ">GET / HTTP/1.1\r\n\r\n", "<" OK5, ">HEAD /u", "<HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\nno", "{", "!t" }, "GET / []. 200 [hello]. | HEAD /u []. 400 []. cut", ONCE },
	{ "head cut", { ">GET /a HTTP/1.1\r\nA: b\r\nC", "<HTTP/1.1 431 Large\r\nConnection: close\r\n\r\nno", "{", "!t" }, "GET /a []. 431 [no].", 0 },
	{ "head cut, sent on after the answer", { ">GET /a HTTP/1.1\r\nA: b\r\nC", "<HTTP/1.1 431 Large\r\nContent-Length: 0\r\n\r\n", ">: d\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /a []. 431 []. | GET /b []. 200 [hello].", 0 },
	/* ends */
	{ "no answer, reader closes", { ">GET / HTTP/1.1\r\n\r\n", "{", "!t" }, "GET / []. 0 []? target", NO_CLIENT },
	{ "no answer, asker closes", { ">GET / HTTP/1.1\r\n\r\n", "}", "!p" }, "GET / []. 0 []? peer", NO_CLIENT },
	{ "as client: no answer, peer closes", { ">GET / HTTP/1.1\r\n\r\n", "!p" }, "GET / []. 0 []? peer", NO_CLIENT | NO_UNKNOWN },
	{ "body cut by a close", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc", "{", "!t" }, "GET / []. 200 [abc]? target", NO_CLIENT },
	{ "chunks cut by a close", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "{" }, "GET / []. 200 [ab]? target", NO_CLIENT },
	{ "asker leaves in the stream, reader closes then", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "}", "<1\r\nc\r\n", "{", "!t" }, "GET / []. 200 [abc]? peer", NO_CLIENT },
	{ "request cut in its head", { ">GET / HTTP/1.1\r\nHos", "!p" }, "GET / []? 0 []? peer", NO_CLIENT },
	{ "pipeline dropped", { ">GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n", "<" OK5, "!t" }, "GET /a []. 200 [hello]. | GET /b []. 0 []? target | GET /c []. 0 []? target", NO_CLIENT },
	{ "agent stops", { ">GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\nab", "!s" }, "GET /a []. 200 [ab]? stop | GET /b []. 0 []? stop", 0 },
	{ "evicted", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\nab", "!e" }, "GET /a []. 200 [ab]? evicted", 0 },
	{ "evicted, half closed", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\nab", "!E" }, "GET /a []. 200 [ab]? evicted", 0 },
	{ "stalled", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", "*", "<cd" }, "GET /a []. 200 [abcd]. stalled", NO_CLIENT },
	{ "end of nothing", { "}", "{", "!p" }, "", 0 },
	/* end of HTTP */
	{ "websocket", { ">GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "<HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello", ">\x81\x85GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\n", "!p" }, "GET /ws []. 101 []. upgrade:websocket", 0 },
	{ "h2c", { ">GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", "<HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", ">PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }, "GET / []. 101 []. upgrade:h2c", 0 },
	{ "connect", { ">CONNECT h:443 HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 Connected\r\n\r\n\x16\x03\x01", ">\x16\x03\x01GET / HTTP/1.1\r\n\r\n", "!p" }, "CONNECT h:443 []. 200 []. upgrade:connect", 0 },
	{ "connect refused", { ">CONNECT h:443 HTTP/1.1\r\n\r\n", "<HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", ">CONNECT h:443 HTTP/1.1\r\nA: b\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\n", ">GET / HTTP/1.1\r\n\r\n" }, "CONNECT h:443 []. 407 []. | CONNECT h:443 []. 200 []. upgrade:connect", 0 },
	{ "upgrade refused", { ">GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "<" OK5, ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /ws []. 200 [hello]. | GET /b []. 200 [hello].", 0 },
	/* shapes that are not to be trusted */
	{ "bare lf", { ">GET /a HTTP/1.1\nHost: x\n\n", "<HTTP/1.1 200 OK\nContent-Length: 2\n\nok" }, "GET /a []. 200 [ok]. {bare-lf bare-lf}", 0 },
	{ "obs-fold", { ">POST /a HTTP/1.1\r\nContent-Length:\r\n 3\r\nX: a\r\n\tb\r\n  c\r\n\r\nxyz", "<" OK5 }, "POST /a [xyz]. 200 [hello]. {obs-fold}", 0 },
	{ "folded transfer coding", { ">POST /a HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "<" OK5 }, "POST /a []. 200 [hello]. {obs-fold}", 0 },
	{ "space before colon", { ">POST /a HTTP/1.1\r\nContent-Length : 3\r\n\r\nxyz", "<" OK5 }, "POST /a [xyz]. 200 [hello]. {space-before-colon}", 0 },
	{ "no field", { ">GET /a HTTP/1.1\r\n folded: nothing\r\nno colon\r\n: no name\r\nx y: z\r\n\r\n", "<" OK5 }, "GET /a []. 200 [hello]. {bad-field}", 0 },
	{ "control bytes", { ">GET /a HTTP/1.1\r\nA: b\001c\r\nB: c\rd\r\nC: \x7f this is long enough\r\nD: a\tb\r\n\r\n", "<" OK5 }, "GET /a []. 200 [hello]. {nul bare-cr control-byte}", 0 },
	{ "length given twice, the same", { ">POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nxyz", "<HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok" }, "POST /a [xyz]. 200 [ok]. {duplicate-length duplicate-length}", 0 },
	{ "conflicting lengths", { ">POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nxyz!", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", "!t" }, "POST /a [xyz!+]. 400 []. {conflicting-length}", 0 },
	{ "conflicting lengths of a response", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nxyz!", "{", "!t" }, "GET /a []. 200 [xyz!+]. {conflicting-length}", 0 },
	{ "length and chunked", { ">POST /a HTTP/1.1\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "<" OK5 OK5 }, "POST /a [Z]. 200 [hello]. {length-and-transfer-coding} | GET /b []. 200 [hello].", 0 },
	{ "bad length", { ">POST /a HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [abc+]. 400 []. {bad-length}", 0 },
	{ "length past 63 bits", { ">POST /a HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\na", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [a+]. 400 []. {bad-length}", 0 },
	{ "empty length", { ">POST /a HTTP/1.1\r\nContent-Length:\r\n\r\n", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [+]. 400 []. {bad-length}", 0 },
	{ "coding unknown", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\nabc", "<HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n" }, "POST /a [abc+]. 501 []. {bad-transfer-coding}", 0 },
	{ "chunked is not last", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\nabc", "<HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n" }, "POST /a [abc+]. 400 []. {bad-transfer-coding}", 0 },
	{ "chunked twice", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "<" OK5 }, "POST /a []. 200 [hello]. {bad-transfer-coding}", 0 },
	{ "chunked in 1.0", { ">GET /a HTTP/1.0\r\n\r\n", "<HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" }, "GET /a []. 200 [a]. {transfer-coding-in-1.0}", 0 },
	{ "body in 204", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n" }, "GET /a []. 204 []. {body-in-204}", 0 },
	{ "bad chunk size", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0x1\r\nc", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [abx1RNc+]. 400 []. {bad-chunk}", 0 },
	{ "bad chunk size of a response, closed", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nZZ\r\n", "{", "!t" }, "GET /a []. 200 [abZZRN+]? target {bad-chunk}", NO_CLIENT },
	{ "bad chunk size of a response, the asker closes first", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "}", "!p" }, "GET /a []. 200 [ZZRN+]? target {bad-chunk}", NO_CLIENT },
	{ "bad chunk size of a response, asked on", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /a []. 200 [ZZRN+]? target {bad-chunk} | GET /b []. 200 [hello].", NO_CLIENT },
	{ "bad chunk size of a response, agent stops", { ">GET /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "!s" }, "GET /a []. 200 [ZZRN+]? stop {bad-chunk}", 0 },
	{ "negative chunk size", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [-1RN+]. 400 []. {bad-chunk}", 0 },
	{ "chunk size past 62 bits", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [1RNa+]. 400 []. {bad-chunk}", 0 },
	{ "chunk too long for its size", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "POST /a [abcRN0RNRN+]. 400 []. {bad-chunk}", 0 },
	{ "bare lf in chunks", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n", "<" OK5 }, "POST /a [ab]. 200 [hello]. {bare-lf}", 0 },
	{ "bare cr in a chunk extension", { ">POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\nab\r\n0\r\n\r\n", "<" OK5 }, "POST /a [ab]. 200 [hello]. {bare-cr}", 0 },
	{ "blanks in the target", { ">GET /a b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET /a b []. 200 [hello]. {bad-target}", NO_UNKNOWN },
	{ "blanks around the target", { ">GET  /a  HTTP/1.1 \r\n\r\n", "<" OK5 }, "GET /a []. 200 [hello]. {bad-request-line}", NO_UNKNOWN },
	{ "no version", { ">GET /a\r\n\r\n", "<HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" }, "GET /a []. 400 []. {bad-request-line}", NO_UNKNOWN },
	{ "HTTP/2.0 in step", { ">GET / HTTP/1.1\r\n\r\n", "<" OK5, ">GET /a HTTP/2.0\r\n\r\n", "<HTTP/1.1 505 No\r\nContent-Length: 0\r\n\r\n" }, "GET / []. 200 [hello]. | GET /a HTTP/2.0 []. 505 []. {bad-request-line bad-target}", 0 },
	{ "no status line", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/2.0 200 OK\r\n\r\n", "<" OK5 }, "GET / []. 200 [hello]. {bad-status-line}", ONCE },
	{ "body after 304", { ">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 304 N\r\n\r\nbody that should not be", ">GET /b HTTP/1.1\r\n\r\n", "<" OK5 }, "GET / []. 304 []. | GET /b []. 200 [hello].", ONCE },
};
/* clang-format on */

static void test_scripts(void **state)
{
	(void)state;
	script_run(scripts, sizeof(scripts) / sizeof(scripts[0]));
}

static void feed(struct tap *t, enum direction d, const char *s)
{
	tap_bytes(t, d, s, strlen(s));
}

static void test_headers(void **state)
{
	struct tap t;

	(void)state;
	for (size_t split = 1; split < 40; split++) {
		tap_init(&t, CONN_SERVER, false);
		script_send(&t, DIR_READ,
			    "GET / HTTP/1.1\r\nHoST:a:8\r\nEmpty:\r\nX-Pad: \t two words "
			    "\t\r\nFold: a\r\n\tb\r\n\r\n",
			    split);
		script_send(&t, DIR_WRITE,
			    "HTTP/1.1 103 Early\r\nLink: no\r\n\r\nHTTP/1.1 200 OK\r\nServer: s\r\n"
			    "Transfer-Encoding: chunked\r\n\r\n0\r\nTrail: 1\r\n\r\n",
			    split);
		assert_string_equal(t.broken, "");
		assert_string_equal(t.x[0].req.head.p,
				    "HoST: a:8\nEmpty: \nX-Pad: two words\nFold: a  \tb\n");
		assert_string_equal(t.x[0].res.head.p,
				    "Server: s\nTransfer-Encoding: chunked\nTrail~ 1\n");
		tap_free(&t);
	}
}

/* The start of a message has the time and wait of its first byte, the end that of its last one. */
static void test_times(void **state)
{
	const char req[] = "POST /p HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
	const char res[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\ncd";
	struct tap t;
	size_t n = sizeof(req) - 1, m = sizeof(res) - 1;

	(void)state;
	tap_init(&t, CONN_SERVER, false);
	script_send(&t, DIR_READ, req, 1);
	script_send(&t, DIR_WRITE, res, 1);
	script_send(&t, DIR_READ, "\r\nGET /q HTTP/1.1\r\n\r\n", 1);
	assert_string_equal(t.broken, "");
	assert_int_equal(t.n, 2);
	assert_int_equal(t.x[0].req.begin_ts, 1010);
	assert_int_equal(t.x[0].req.begin_wait, 101);
	assert_int_equal(t.x[0].req.begin_pos, 0);
	assert_int_equal(t.x[0].req.end_ts, 1000 + 10 * n);
	assert_int_equal(t.x[0].req.end_pos, n);
	assert_int_equal(t.x[0].res.begin_ts, 1010 + 10 * n);
	assert_int_equal(t.x[0].res.end_ts, 1000 + 10 * (n + m));
	assert_int_equal(t.x[0].res.end_pos, m);
	assert_int_equal(t.x[1].req.begin_ts, 1000 + 10 * (n + m + 3));
	assert_int_equal(t.x[1].req.begin_pos, n + 2);
	tap_free(&t);
}

static void test_idle_state_is_small(void **state)
{
	struct tap t;

	(void)state;
	assert_true(sizeof(struct http1) <= 400);
	tap_init(&t, CONN_SERVER, false);
	script_send(&t, DIR_READ, "GET / HTTP/1.1\r\nA: b\r\n\r\n", 1);
	script_send(&t, DIR_WRITE, OK5, 1);
	for (int d = 0; d < 2; d++)
		assert_null(((struct http1 *)t.c.proto)->dir[d].line);
	tap_free(&t);
}

/*
 * A head that is answered at every place of it, in calls of every size, is one exchange that began
 * with its first byte; whatever is sent on belongs to it.
 */
static void test_answered_in_the_head(void **state)
{
	const char req[] = "POST /some/target HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n";
	const char res[] = "HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno";
	const size_t n = sizeof(req) - 1, target = 5, target_end = 17;

	(void)state;
	for (size_t at = 1; at < n; at++) {
		for (size_t split = 1; split <= at; split++) {
			for (int on = 0; on < 2; on++) {
				char seen[64];
				struct tap t;

				snprintf(seen, sizeof(seen), "%.*s", (int)at, req);
				tap_init(&t, (enum conn_role)(on ? CONN_SERVER : CONN_CLIENT),
					 false);
				enum direction d = on ? DIR_READ : DIR_WRITE;

				script_send(&t, d, seen, split);
				script_send(&t, (enum direction) !d, res, 1 + split % 5);
				if (on) {
					script_send(&t, d, req + at, split);
					script_send(&t, d, "GET /b HTTP/1.1\r\n\r\n", split);
					script_send(&t, (enum direction) !d, OK5, split);
				}
				tap_end(&t, on ? CLOSED_BY_TARGET : CLOSED_BY_PEER, false, false);
				assert_string_equal(t.broken, "");
				assert_int_equal(t.n, 1 + on);
				assert_int_equal(t.strays, 0);
				assert_int_equal(t.x[0].req.begin_ts, 1010);
				assert_int_equal(t.x[0].req.begin_wait, 101);
				assert_int_equal(t.x[0].req.begin_pos, 0);
				assert_string_equal(t.x[0].method, at < target ? "" : "POST");
				seen[at < target_end ? at : target_end] = '\0';
				assert_string_equal(t.x[0].target,
						    at < target ? "" : seen + target);
				assert_int_equal(t.x[0].cut, at <= target_end);
				assert_int_equal(t.x[0].status, 400);
				assert_true(t.x[0].req.end && t.x[0].res.end);
				assert_false(t.x[0].late || t.x[0].aborted);
				assert_null(t.x[0].anomalies.p);
				if (on)
					assert_string_equal(t.x[1].target, "/b");
				tap_free(&t);
			}
		}
	}
}

static void test_large_heads(void **state)
{
	static const size_t calls[] = { 1, 1000, 65536, 1 << 20 };
	char *pad = malloc(200000);
	struct tap t;

	(void)state;
	assert_non_null(pad);
	memset(pad, 'x', 199999);
	pad[199999] = '\0';
	for (size_t i = 0; i < 4; i++) {
		/* one field */
		tap_init(&t, CONN_SERVER, false);
		feed(&t, DIR_READ, "GET /a HTTP/1.1\r\nA: b\r\nC: ");
		script_send(&t, DIR_READ, pad, calls[i]);
		feed(&t, DIR_READ, "\r\n\r\n");
		feed(&t, DIR_WRITE, "HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n");
		feed(&t, DIR_READ, "GET /b HTTP/1.1\r\n\r\n");
		feed(&t, DIR_WRITE, OK5);
		assert_string_equal(t.broken, "");
		assert_int_equal(t.n, 2);
		assert_string_equal(t.x[0].anomalies.p, "head-too-large ");
		assert_string_equal(t.x[0].req.head.p, "A: b\n");
		assert_true(t.x[0].req.end && t.x[0].res.end);
		assert_int_equal(t.x[0].status, 431);
		assert_int_equal(t.x[1].status, 200);
		assert_true(t.x[0].req.loss[GAP_OMITTED] > 199000);
		tap_free(&t);
		/* the target */
		tap_init(&t, CONN_SERVER, false);
		feed(&t, DIR_READ, "GET /");
		script_send(&t, DIR_READ, pad, calls[i]);
		feed(&t, DIR_READ, " HTTP/1.1\r\n\r\n");
		feed(&t, DIR_WRITE, "HTTP/1.1 414 Too Long\r\nContent-Length: 0\r\n\r\n");
		assert_string_equal(t.broken, "");
		assert_int_equal(t.n, 1);
		assert_string_equal(t.x[0].anomalies.p, "head-too-large ");
		assert_int_equal(t.x[0].status, 414);
		assert_true(t.x[0].req.end && t.x[0].res.end);
		tap_free(&t);
	}
	/* many fields */
	tap_init(&t, CONN_SERVER, false);
	feed(&t, DIR_READ, "GET /a HTTP/1.1\r\n");
	for (int i = 0; i < 5000; i++)
		feed(&t, DIR_READ, "X-Field: 0123456789\r\n");
	feed(&t, DIR_READ, "\r\n");
	assert_string_equal(t.broken, "");
	assert_string_equal(t.x[0].anomalies.p, "head-too-large ");
	assert_true(t.x[0].req.head.n < 70000);
	tap_free(&t);
	free(pad);
}

static void test_too_many_pipelined(void **state)
{
	char line[64];
	struct tap t;
	unsigned aborted = 0;

	(void)state;
	tap_init(&t, CONN_SERVER, false);
	for (unsigned i = 0; i < H1_OPEN_MAX; i++) {
		snprintf(line, sizeof(line), "GET /%u HTTP/1.1\r\n\r\n", i);
		feed(&t, DIR_READ, line);
	}
	assert_null(t.x[0].anomalies.p);
	for (unsigned i = 0; i < H1_OPEN_MAX; i++) {
		snprintf(line, sizeof(line), "HTTP/1.1 2%02u OK\r\nContent-Length: 0\r\n\r\n",
			 i % 100);
		feed(&t, DIR_WRITE, line);
	}
	assert_int_equal(t.n, H1_OPEN_MAX);
	for (unsigned i = 0; i < H1_OPEN_MAX; i++)
		assert_int_equal(t.x[i].status, 200 + i % 100);
	tap_free(&t);

	tap_init(&t, CONN_SERVER, false);
	for (unsigned i = 0; i <= H1_OPEN_MAX; i++)
		feed(&t, DIR_READ, "GET / HTTP/1.1\r\n\r\n");
	assert_string_equal(t.x[H1_OPEN_MAX].anomalies.p, "too-many-pipelined ");
	for (unsigned i = 0; i <= H1_OPEN_MAX; i++)
		feed(&t, DIR_WRITE, "HTTP/1.1 204 OK\r\n\r\n");
	feed(&t, DIR_READ, "GET /last HTTP/1.1\r\n\r\n");
	feed(&t, DIR_WRITE, OK5);
	tap_end(&t, CLOSED_BY_PEER, false, false);
	assert_string_equal(t.broken, "");
	for (unsigned i = 0; i < t.n; i++) {
		aborted += t.x[i].aborted;
		if (t.x[i].req.begun && i + 1 < t.n)
			assert_int_equal(t.x[i].status, 0);
	}
	assert_int_equal(aborted, H1_OPEN_MAX + 1);
	assert_string_equal(t.x[t.n - 1].target, "/last");
	assert_int_equal(t.x[t.n - 1].status, 200);
	tap_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_idle_state_is_small),
		cmocka_unit_test(test_answered_in_the_head),
		cmocka_unit_test(test_large_heads),
		cmocka_unit_test(test_too_many_pipelined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
