// fixture.mjs - prints what the stand-in provider plays to the clients, as lines of
// weir-exchanges(5).  All of it is made up for these tests: texts, ids, counts and times.
import { crc32 } from 'node:zlib'
import { pathToFileURL } from 'node:url'

const FIRST_US = 20_000 // until an answer's head
const EVERY_US = 5_000 // from one chunk of a stream to the next
export const HI = 'say hi'
const CREATED = 1790000000
export const WORDS = ['The', ' weir', ' holds', ' — ', 'grüß', ' dich', '.']
export const TEXT = WORDS.join('')

const lines = []

// One exchange; chunks are the pieces of a stream, each read from the wire by itself.
function exchange(path, request, status, headers, chunks, { method = 'POST', cut = false } = {}) {
  const pieces = chunks.map(chunk => Buffer.from(chunk))
  const at = i => FIRST_US + EVERY_US * i
  lines.push(JSON.stringify({
    method,
    url: `https://stand-in.example${path}`,
    started_at: '2026-10-01T06:00:00Z',
    req_headers: request === '' ? {} : { 'content-type': 'application/json' },
    req_body: request === '' ? '' : JSON.stringify(request),
    status,
    resp_headers: headers,
    resp_body_b64: Buffer.concat(pieces).toString('base64'),
    request_us: 0,
    head_us: FIRST_US,
    end_us: at(pieces.length - 1), // with the last piece: some clients leave once they have it
    chunks: pieces.map((piece, i) => [at(i), piece.length]),
    truncated: cut,
  }))
}

function json(path, request, answer, { status = 200, headers = {}, ...rest } = {}) {
  const body = JSON.stringify(answer)
  exchange(path, request, status, { 'content-type': 'application/json',
    'content-length': `${Buffer.byteLength(body)}`, ...headers }, [body], rest)
}

function stream(path, request, type, chunks, headers = {}, rest = {}) {
  exchange(path, request, 200, { 'content-type': type, ...headers }, chunks, rest)
}

const sse = (data, name) =>
  `${name ? `event: ${name}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const typed = data => sse(data, data.type)
const SSE = 'text/event-stream; charset=utf-8'

// --- OpenAI: chat completions ---

const CHAT = '/v1/chat/completions'
const chatMessages = [{ role: 'user', content: HI }]
const chatUsage = { prompt_tokens: 31, completion_tokens: 17, total_tokens: 48,
  prompt_tokens_details: { cached_tokens: 8 }, completion_tokens_details: { reasoning_tokens: 4 } }
const chatModel = model => ({ id: `chatcmpl-${model}`, created: CREATED, model: `${model}-2026-09-01` })

function chatChunks(model, deltas, finish, usage) {
  const base = { ...chatModel(model), object: 'chat.completion.chunk' }
  const chunk = (delta, finish_reason = null) =>
    sse({ ...base, choices: [{ index: 0, delta, finish_reason }], usage: null })
  return [chunk({ role: 'assistant', content: '' }), ...deltas.map(d => chunk(d)), chunk({}, finish),
    ...(usage ? [sse({ ...base, choices: [], usage })] : []), sse('[DONE]')]
}

function openaiChat() {
  json(CHAT, { model: 'weir-chat', messages: chatMessages }, { ...chatModel('weir-chat'),
    object: 'chat.completion', usage: chatUsage, choices: [{ index: 0, finish_reason: 'stop',
      logprobs: null, message: { role: 'assistant', content: TEXT, refusal: null } }] },
  { headers: { 'x-request-id': 'req_made_up_1' } })
  const streamed = { model: 'weir-chat', messages: chatMessages, stream: true,
    stream_options: { include_usage: true } }
  stream(CHAT, streamed, SSE,
    chatChunks('weir-chat', WORDS.map(content => ({ content })), 'stop', chatUsage))
}

export const TOOLS = [{ type: 'function', function: { name: 'level', description: 'Reads a gauge',
  parameters: { type: 'object', properties: { gauge: { type: 'string' } }, required: ['gauge'] } } }]

function openaiTools() {
  const call = (id, name, args) => ({ tool_calls: [{ index: 0, ...(id && { id, type: 'function' }),
    function: { ...(name && { name }), arguments: args } }] })
  stream(CHAT, { model: 'weir-tools', messages: chatMessages, tools: TOOLS, stream: true,
    stream_options: { include_usage: true } }, SSE, chatChunks('weir-tools',
    [call('call_1', 'level', ''), call(null, null, '{"gau'), call(null, null, 'ge":"north"}')],
    'tool_calls', { prompt_tokens: 60, completion_tokens: 12, total_tokens: 72 }))
}

// --- OpenAI: responses, embeddings, models ---

const RESPONSES = '/v1/responses'
const responseUsage = { input_tokens: 21, input_tokens_details: { cached_tokens: 5 },
  output_tokens: 13, output_tokens_details: { reasoning_tokens: 6 }, total_tokens: 34 }
const item = (status, content) =>
  ({ id: 'msg_made_up', type: 'message', status, role: 'assistant', content })
const part = text => ({ type: 'output_text', text, annotations: [] })

const response = (status, output, usage) => ({ id: 'resp_made_up', object: 'response',
  created_at: CREATED, status, error: null, incomplete_details: null, instructions: null,
  metadata: {}, model: 'weir-responses-2026-09-01', output, parallel_tool_calls: true,
  temperature: 1, tool_choice: 'auto', tools: [], top_p: 1, usage })

function responseChunks() {
  const at = { item_id: 'msg_made_up', output_index: 0, content_index: 0 }
  const done = item('completed', [part(TEXT)])
  return [
    { type: 'response.created', response: response('in_progress', [], null) },
    { type: 'response.in_progress', response: response('in_progress', [], null) },
    { type: 'response.output_item.added', output_index: 0, item: item('in_progress', []) },
    { type: 'response.content_part.added', ...at, part: part('') },
    ...WORDS.map(delta => ({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...at, text: TEXT, logprobs: [] },
    { type: 'response.content_part.done', ...at, part: part(TEXT) },
    { type: 'response.output_item.done', output_index: 0, item: done },
    { type: 'response.completed', response: response('completed', [done], responseUsage) },
  ].map((event, sequence_number) => typed({ ...event, sequence_number }))
}

function openaiResponses(input) {
  const answer = response('completed', [item('completed', [part(TEXT)])], responseUsage)
  json(RESPONSES, { model: 'weir-responses', input }, answer)
  stream(RESPONSES, { model: 'weir-responses', input, stream: true }, SSE, responseChunks())
}

export const VECTOR = [0.5, -0.25, 0.125, 3] // exact in 32 bits

function openaiOthers() {
  const vector = Buffer.from(new Float32Array(VECTOR).buffer).toString('base64')
  json('/v1/embeddings', { model: 'weir-embed', input: HI, encoding_format: 'base64' }, {
    object: 'list', data: [{ object: 'embedding', index: 0, embedding: vector }],
    model: 'weir-embed-1', usage: { prompt_tokens: 3, total_tokens: 3 } })
  json('/v1/models', '', { object: 'list', data: ['weir-chat', 'weir-embed'].map(id =>
    ({ id, object: 'model', created: CREATED, owned_by: 'weir-tests' })) }, { method: 'GET' })
}

function openaiErrors() {
  const error = (message, type, code) => ({ error: { message, type, param: null, code } })
  const asked = model => ({ model, messages: chatMessages })
  const busy = error('Too many requests.', 'requests', 'rate_limit_exceeded')
  json(CHAT, asked('weir-denied'), error('Wrong key.', 'invalid_request_error', 'invalid_api_key'),
    { status: 401 })
  json(CHAT, asked('weir-busy'), busy, { status: 429 })
  json(CHAT, asked('weir-retry'), busy, { status: 429, headers: { 'retry-after-ms': '10' } })
  json(CHAT, asked('weir-retry'), { ...chatModel('weir-retry'), object: 'chat.completion',
    usage: chatUsage, choices: [{ index: 0, finish_reason: 'length', logprobs: null,
      message: { role: 'assistant', content: TEXT, refusal: null } }] })
  stream(CHAT, { ...asked('weir-cut'), stream: true }, SSE,
    chatChunks('weir-cut', WORDS.map(content => ({ content })), 'stop').slice(0, 5), {},
    { cut: true })
}

// --- Anthropic ---

const MESSAGES = '/v1/messages'
const messageUsage = { input_tokens: 19, cache_creation_input_tokens: 3, cache_read_input_tokens: 11,
  output_tokens: 23 }
const message = (model, content, stop_reason, usage) => ({ id: 'msg_made_up', type: 'message',
  role: 'assistant', model: `${model}-20260901`, content, stop_reason, stop_sequence: null, usage })

function messageChunks(model, block, deltas, stop_reason) {
  return [
    { type: 'message_start',
      message: message(model, [], null, { ...messageUsage, output_tokens: 1 }) },
    { type: 'content_block_start', index: 0, content_block: block },
    { type: 'ping' },
    ...deltas.map(delta => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null },
      usage: { output_tokens: messageUsage.output_tokens } },
    { type: 'message_stop' },
  ].map(typed)
}

const textDeltas = WORDS.map(text => ({ type: 'text_delta', text }))

function anthropicMessages() {
  const asked = model => ({ model, max_tokens: 64, messages: chatMessages })
  json(MESSAGES, asked('weir-claude'),
    message('weir-claude', [{ type: 'text', text: TEXT }], 'end_turn', messageUsage))
  stream(MESSAGES, { ...asked('weir-claude'), stream: true }, SSE,
    messageChunks('weir-claude', { type: 'text', text: '' }, textDeltas, 'end_turn'))
  const halves = ['', '{"gau', 'ge":"north"}']
  stream(MESSAGES, { ...asked('weir-claude-tools'), stream: true }, SSE,
    messageChunks('weir-claude-tools', { type: 'tool_use', id: 'toolu_1', name: 'level', input: {} },
      halves.map(partial_json => ({ type: 'input_json_delta', partial_json })), 'tool_use'))
  const error = (type, text) => ({ type: 'error', error: { type, message: text } })
  json(MESSAGES, asked('weir-claude-full'), error('overloaded_error', 'Overloaded'), { status: 529 })
  json(MESSAGES, asked('weir-claude-denied'), error('authentication_error', 'Wrong key'),
    { status: 401 })
}

// --- Gemini ---

function gemini() {
  const path = (model, verb) => `/v1beta/models/${model}:${verb}`
  const asked = { contents: [{ parts: [{ text: HI }], role: 'user' }] }
  const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 14, thoughtsTokenCount: 2,
    totalTokenCount: 25 }
  const answer = (text, finishReason) => ({ candidates: [{ content: { parts: [{ text }],
    role: 'model' }, index: 0, ...(finishReason && { finishReason }) }], usageMetadata,
  modelVersion: 'weir-gemini-001', responseId: 'made-up' })
  json(path('weir-gemini', 'generateContent'), asked, answer(TEXT, 'STOP'))
  stream(`${path('weir-gemini', 'streamGenerateContent')}?alt=sse`, asked, 'text/event-stream',
    WORDS.map((word, i) =>
      `data: ${JSON.stringify(answer(word, i === WORDS.length - 1 ? 'STOP' : ''))}\r\n\r\n`))
  json(path('weir-gemini-busy', 'generateContent'), asked, { error: { code: 429,
    message: 'Quota exceeded.', status: 'RESOURCE_EXHAUSTED' } }, { status: 429 })
}

// --- Bedrock: application/vnd.amazon.eventstream ---

function awsHeader(name, value) {
  const head = Buffer.alloc(4 + name.length)
  head.writeUInt8(name.length)
  head.write(name, 1)
  head.writeUInt8(7, 1 + name.length) // a string
  head.writeUInt16BE(Buffer.byteLength(value), 2 + name.length)
  return Buffer.concat([head, Buffer.from(value)])
}

function awsEvent(type, payload, message = 'event') {
  const headers = Buffer.concat([
    awsHeader(message === 'event' ? ':event-type' : ':exception-type', type),
    awsHeader(':content-type', 'application/json'), awsHeader(':message-type', message)])
  const body = Buffer.from(JSON.stringify(payload))
  const frame = Buffer.alloc(16 + headers.length + body.length)
  frame.writeUInt32BE(frame.length)
  frame.writeUInt32BE(headers.length, 4)
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  headers.copy(frame, 12)
  body.copy(frame, 12 + headers.length)
  frame.writeUInt32BE(crc32(frame.subarray(0, -4)), frame.length - 4)
  return frame
}

const AWS = 'application/vnd.amazon.eventstream'
export const CLAUDE_ON_BEDROCK = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 64,
  messages: chatMessages }

function bedrock() {
  const path = (model, verb) => `/model/${encodeURIComponent(`weir.${model}-v1:0`)}/${verb}`
  const asked = { messages: [{ role: 'user', content: [{ text: HI }] }] }
  const id = { 'x-amzn-requestid': 'made-up-1' }
  const usage = { inputTokens: 16, outputTokens: 18, totalTokens: 34 }
  const metrics = { latencyMs: 55 }
  json(path('model', 'converse'), asked, { output: { message: { role: 'assistant',
    content: [{ text: TEXT }] } }, stopReason: 'end_turn', usage, metrics }, { headers: id })
  const events = [
    awsEvent('messageStart', { role: 'assistant' }),
    ...WORDS.map(text => awsEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text } })),
    awsEvent('contentBlockStop', { contentBlockIndex: 0 }),
    awsEvent('messageStop', { stopReason: 'end_turn' }),
  ]
  stream(path('model', 'converse-stream'), asked, AWS,
    [...events, awsEvent('metadata', { usage, metrics })], id)
  stream(path('broken', 'converse-stream'), asked, AWS, [...events.slice(0, 3),
    awsEvent('modelStreamErrorException', { message: 'The model fell over.' }, 'exception')], id)
  json(path('busy', 'converse'), asked, { message: 'Too many requests.' },
    { status: 429, headers: { ...id, 'x-amzn-errortype': 'ThrottlingException' } })
  json(path('claude', 'invoke'), CLAUDE_ON_BEDROCK, message('weir-claude',
    [{ type: 'text', text: TEXT }], 'end_turn', messageUsage), { headers: { ...id,
    'x-amzn-bedrock-input-token-count': '33', 'x-amzn-bedrock-output-token-count': '23' } })
}

// --- Ollama ---

function ollama() {
  const base = { model: 'weir-llama', created_at: '2026-10-01T06:00:00Z' }
  const says = (content, rest) => ({ ...base, message: { role: 'assistant', content }, ...rest })
  const done = { done: true, done_reason: 'stop', total_duration: 900000, load_duration: 1000,
    prompt_eval_count: 12, prompt_eval_duration: 2000, eval_count: 15, eval_duration: 3000 }
  const asked = stream_ => ({ model: 'weir-llama', messages: chatMessages, stream: stream_ })
  json('/api/chat', asked(false), says(TEXT, done))
  stream('/api/chat', asked(true), 'application/x-ndjson', [...WORDS.map(word =>
    says(word, { done: false })), says('', done)].map(line => `${JSON.stringify(line)}\n`))
  json('/api/chat', { ...asked(false), model: 'weir-missing' }, { error: 'model not found' },
    { status: 404 })
}

// --- the AI SDK asks the same providers in words of its own ---

function aiSdk() {
  const block = [{ role: 'user', content: [{ type: 'text', text: HI }] }]
  openaiResponses([{ role: 'user', content: [{ type: 'input_text', text: HI }] }])
  json(MESSAGES, { model: 'weir-claude-ai', max_tokens: 64, messages: block },
    message('weir-claude-ai', [{ type: 'text', text: TEXT }], 'end_turn', messageUsage))
  stream(MESSAGES, { model: 'weir-claude-ai', max_tokens: 64, messages: block, stream: true }, SSE,
    messageChunks('weir-claude-ai', { type: 'text', text: '' }, textDeltas, 'end_turn'))
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  openaiChat()
  openaiTools()
  openaiResponses(HI)
  openaiOthers()
  openaiErrors()
  anthropicMessages()
  gemini()
  bedrock()
  ollama()
  aiSdk()
  console.log(lines.join('\n'))
}
