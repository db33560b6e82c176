# Recorded calls as JSON lines (weir-exchanges(5)): count of them, every_ms one, answers of 200 to 700 ms;
# with streams=1 each comes in eight pieces after 200 ms.
function quoted(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    gsub(/\n/, "\\n", text)
    return "\"" text "\""
}
function whole(i) {
    return "{\"id\":\"c" i "\",\"object\":\"chat.completion\",\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yes\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"total_tokens\":10}}"
}
function event(i, delta, finish) {
    return "data: {\"id\":\"c" i "\",\"object\":\"chat.completion.chunk\",\"created\":1790812800,\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
}
function stream(i,    n, body, piece) {
    chunks = ""
    for (n = 0; n < 8; n++) {
        piece = n < 7 ? event(i, "\"content\":\"word" n " \"", "null") : event(i, "", "\"stop\"") "data: [DONE]\n\n"
        body = body piece
        chunks = chunks (n ? "," : "") "[" int((200 + (ms - 200) * n / 7) * 1000) "," length(piece) "]"
    }
    return body
}
BEGIN {
    for (i = 0; i < count; i++) {
        ms = 200 + (i * 7919) % 500
        body = "{\"model\":\"gpt-5-mini\"," (streams ? "\"stream\":true," : "") "\"messages\":[{\"role\":\"user\",\"content\":\"call " i "\"}]}"
        answer = streams ? stream(i) : whole(i)
        times = streams ? "\"head_us\":200000,\"first_token_us\":200000,\"chunks\":[" chunks "]" : "\"head_us\":" ms * 1000
        type = streams ? "text/event-stream" : "application/json"
        printf "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/completions\",\"req_headers\":{\"content-type\":\"application/json\"},\"req_body\":%s,\"status\":200,\"resp_headers\":{\"content-type\":\"%s\"},\"resp_body\":%s,\"started_at\":%.0f,%s,\"end_us\":%d}\n", quoted(body), type, quoted(answer), 1790812800000 + i * every_ms, times, ms * 1000
    }
}
