// An upstream as applications have one: the HTTP server of Node, one small message as every answer.
import http from 'node:http';

const answer = JSON.stringify({
	id: 'msg_01', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5',
	content: [{ type: 'text', text: 'Nobody passes the side gate after dark but the keeper himself, and those whom he '
		+ 'knows by their voice. Whoever else stands there waits for the morning, be he a stranger or a neighbour, and '
		+ 'asks the watch, who asks the captain, who is asleep and must not be woken for a matter of this kind.' }],
	stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 61, output_tokens: 57 },
});

const server = http.createServer((request, response) => {
	request.resume();
	request.on('end', () => {
		response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
		response.end(answer);
	});
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
