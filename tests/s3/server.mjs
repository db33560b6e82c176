// server.mjs FOLDER - an S3 store for tests on a free port of loopback, which it prints.  It checks
// what a store must check: the signature (Signature Version 4, worked out here from the request as it
// came), the hash of the body, Content-MD5 and x-amz-checksum-sha256.  A PUT to /-/fault/WHAT makes
// one coming PUT of data go wrong:
//
//     500       refused once with that status
//     corrupt   taken with a byte changed, and answered with what was taken
//     cut       the connection ends without an answer, and nothing is taken
//     lost      taken, but the connection ends without an answer
//     slow      from now on, each part takes a while
//
// GET /-/log lists requests that were answered, "METHOD STATUS KEY?QUERY".
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';

const [folder] = process.argv.slice(2);
const ACCESS = 'AKIDEXAMPLE', SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const uploads = new Map();
const log = [];
let fault = '', slow_ms = 0;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g,
    (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());

// "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API.
function badSignature(request, path, query, body) {
    const m = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
        .exec(request.headers.authorization ?? '');
    if (!m || m[1] !== ACCESS)
        return 'AccessDenied';
    const [, , day, region, names, signature] = m;
    const signed = names.split(';');
    for (const name of Object.keys(request.headers))
        if ((name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name))
            return 'AccessDenied';
    const hash = request.headers['x-amz-content-sha256'];
    if (hash !== sha256(body))
        return 'XAmzContentSHA256Mismatch';
    const pairs = query.split('&').filter(Boolean).map((p) => p.split('='))
        .map(([k, v]) => [encode(decodeURIComponent(k)), encode(decodeURIComponent(v ?? ''))])
        .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    const canonical = [
        request.method, path.split('/').map((s) => encode(decodeURIComponent(s))).join('/'),
        pairs.map((p) => p.join('=')).join('&'),
        ...signed.map((n) => `${n}:${request.headers[n].trim()}`), '', names, hash,
    ].join('\n');
    const date = request.headers['x-amz-date'], scope = `${day}/${region}/s3/aws4_request`;
    if (!date.startsWith(day) || Math.abs(Date.now() - Date.parse(date.replace(
        /^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))) > 900000)
        return 'RequestTimeTooSkewed';
    const key = ['AWS4' + SECRET, day, region, 's3', 'aws4_request'].reduce((k, t) => hmac(k, t));
    const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
    return hmac(key, text).toString('hex') === signature ? '' : 'SignatureDoesNotMatch';
}

function badBody(headers, body) {
    if (headers['content-md5'] && Buffer.from(headers['content-md5'], 'base64').toString('hex') !== md5(body))
        return 'BadDigest';
    const sum = headers['x-amz-checksum-sha256'];
    return sum && Buffer.from(sum, 'base64').toString('hex') !== sha256(body) ? 'BadDigest' : '';
}

const file = (key) => join(folder, key);
function store(key, body, meta) {
    mkdirSync(dirname(file(key)), { recursive: true });
    writeFileSync(file(key) + '.tmp', body);
    renameSync(file(key) + '.tmp', file(key));
    writeFileSync(file(key) + '.meta', JSON.stringify(meta));
}

// A body as it is taken, with the fault that waits, if any: [body, what happens to the answer].
function take(body) {
    const what = fault;
    fault = '';
    if (what === 'corrupt' && body.length) {
        body = Buffer.from(body);
        body[body.length >> 1] ^= 1;
    }
    return [body, what];
}

function answer(request, key, query, body) {
    const q = new URLSearchParams(query), h = request.headers, id = q.get('uploadId');
    const upload = uploads.get(id);
    if (id && upload?.key !== key)
        return [404, '<Error><Code>NoSuchUpload</Code></Error>'];
    if (request.method === 'HEAD') {
        if (!existsSync(file(key) + '.meta'))
            return [404, ''];
        const meta = JSON.parse(readFileSync(file(key) + '.meta', 'utf8'));
        const length = readFileSync(file(key)).length;
        return [200, '', { 'content-length': length, ...(meta ? { 'x-amz-meta-weir-sha256': meta } : {}) }];
    }
    if (request.method === 'PUT') {
        if (id && h['x-amz-checksum-sha256']) // as AWS, of an upload that began without one
            return [400, '<Error><Code>InvalidRequest</Code></Error>'];
        if (!h['content-md5'])
            return [400, '<Error><Code>InvalidRequest</Code></Error>'];
        const [taken, what] = take(body);
        if (what === '500')
            return [500, '<Error><Code>InternalError</Code></Error>'];
        if (what === 'cut')
            return null;
        if (id)
            upload.parts.set(Number(q.get('partNumber')), taken);
        else
            store(key, taken, h['x-amz-meta-weir-sha256']);
        return what === 'lost' ? null : [200, '', { etag: `"${md5(taken)}"` }];
    }
    if (request.method === 'POST' && q.has('uploads')) {
        const fresh = randomBytes(12).toString('base64');
        uploads.set(fresh, { key, parts: new Map(), meta: h['x-amz-meta-weir-sha256'] });
        return [200, `<R><Key>${key}</Key><UploadId>${fresh}</UploadId></R>`];
    }
    if (request.method === 'POST') {
        const listed = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"([0-9a-f]+)"<\/ETag>/g)];
        const parts = listed.map(([, n, etag]) => (md5(upload.parts.get(Number(n)) ?? '') === etag
            ? upload.parts.get(Number(n)) : null));
        if (parts.includes(null) || parts.slice(0, -1).some((p) => p.length < 5 << 20))
            return [400, '<Error><Code>InvalidPart</Code></Error>'];
        store(key, Buffer.concat(parts), upload.meta);
        uploads.delete(id);
        return [200, '<R><ETag>"x-1"</ETag></R>'];
    }
    if (q.has('uploads'))
        return [200, '<R>' + [...uploads].filter(([, u]) => u.key.startsWith(q.get('prefix') ?? ''))
            .map(([i, u]) => `<Upload><Key>${u.key}</Key><UploadId>${i}</UploadId></Upload>`).join('') + '</R>'];
    const from = Number(q.get('part-number-marker') ?? 0);
    const rest = [...upload.parts].filter(([n]) => n > from).sort((a, b) => a[0] - b[0]);
    return [200, `<R><IsTruncated>${rest.length > 2}</IsTruncated>` +
        `<NextPartNumberMarker>${rest[1]?.[0] ?? 0}</NextPartNumberMarker>` +
        rest.slice(0, 2).map(([n, p]) => `<Part><PartNumber>${n}</PartNumber>` +
            `<ETag>&quot;${md5(p)}&quot;</ETag><Size>${p.length}</Size></Part>`).join('') + '</R>'];
}

createServer((request, response) => {
    const pieces = [];
    request.on('data', (d) => pieces.push(d));
    request.on('end', () => {
        const body = Buffer.concat(pieces);
        const [path, query = ''] = request.url.split('?');
        if (path.startsWith('/-/fault/')) {
            fault = path.slice(9);
            if (fault === 'slow')
                [fault, slow_ms] = ['', 300];
            return response.end();
        }
        if (path === '/-/log')
            return response.end(log.join('\n') + '\n');
        // bucket.localhost:PORT/key, or localhost:PORT/bucket/key
        const host = request.headers.host.split(':')[0];
        const inHost = host.endsWith('.localhost');
        const key = decodeURIComponent(inHost ? path.slice(1) : path.split('/').slice(2).join('/'));
        const bad = badSignature(request, path, query, body) || badBody(request.headers, body);
        const result = bad ? [403, `<Error><Code>${bad}</Code><Message>no</Message></Error>`]
            : answer(request, key, query, body);
        if (!result)
            return request.socket.destroy();
        log.push(`${request.method} ${result[0]} ${key}?${query}`);
        setTimeout(() => {
            response.writeHead(result[0], result[2]);
            response.end(request.method === 'HEAD' ? undefined : result[1]);
        }, query.includes('partNumber=') ? slow_ms : 0);
    });
}).listen(0, '127.0.0.1', function () {
    console.log(this.address().port);
});
