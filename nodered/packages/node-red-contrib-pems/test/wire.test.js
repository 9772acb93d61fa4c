'use strict'
const assert = require('node:assert')
const dgram = require('node:dgram')
const http = require('node:http')
const test = require('node:test')
const { carry, faultsOf } = require('../lib/wire')
const { Carrier } = require('../lib/carrier')
const { pause } = require('./support')

const MQTT = { transport: 'mqtt', topic: 'a/b', payload: 'x', qos: 1 }
const lines = (fail = () => null) => ({
  said: [],
  async publish (topic, payload) {
    await pause(5)
    if (fail(topic)) throw new Error('no connection')
    this.said.push([topic, payload])
  }
})

for (const wire of [null, [], 'x', [null], [{ transport: 'fax' }], [{ ...MQTT, topic: 'a/#' }], [{ ...MQTT, topic: '' }], [{ ...MQTT, payload: 3 }],
  [{ transport: 'udp', target: 'host', body: '' }], [{ transport: 'udp', target: 'host:99999', body: '' }], [{ transport: 'udp', target: 'host:1' }],
  [{ transport: 'http', target: 'file:///etc/passwd' }], [MQTT, { transport: 'http', target: 'nowhere' }]]) {
  test(`refuses ${JSON.stringify(wire)} as a whole, with its place`, async () => {
    const to = lines()
    assert.match(faultsOf(wire).join(), /^wire.*found .*allowed/)
    await assert.rejects(carry(wire, to))
    assert.deepEqual(to.said, [])
  })
}

test('sends a datagram as it is', async () => {
  const server = dgram.createSocket('udp4')
  await new Promise((resolve) => server.bind(0, '127.0.0.1', resolve))
  const heard = new Promise((resolve) => server.once('message', (body) => resolve(body.toString())))
  assert.equal(await carry([{ transport: 'udp', target: `127.0.0.1:${server.address().port}`, body: 'heating/kitchen=1' }], lines()), 'carried')
  assert.equal(await heard, 'heating/kitchen=1')
  server.close()
})

test('asks over HTTP with the login of the address, and says what was answered', async () => {
  const heard = []
  const server = http.createServer((request, response) => {
    heard.push([request.method, request.url, request.headers.authorization])
    response.writeHead(request.url === '/on' ? 200 : 500).end('no')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = `me:a%20b@127.0.0.1:${server.address().port}`
  assert.equal(await carry([{ transport: 'http', target: `http://${at}/on` }], lines()), 'carried')
  await assert.rejects(carry([{ transport: 'http', target: `http://${at}/off` }], lines()), /answered 500/)
  assert.deepEqual(heard, [['GET', '/on', 'Basic ' + Buffer.from('me:a b').toString('base64')], ['GET', '/off', heard[0][2]]])
  await new Promise((resolve) => server.close(resolve))
})

test('what only PEMS speaks is left to it', async () => {
  const to = lines()
  assert.equal(await carry([MQTT, { transport: 'modbus', target: 'x' }], to), 'core')
  assert.equal(await carry([{ transport: 'http', target: '/dev', carried_by: 'core' }], to), 'core')
  assert.deepEqual(to.said, [])
})

test('nothing after a message that fails is sent', async () => {
  const to = lines((topic) => topic === '2')
  await assert.rejects(carry(['1', '2', '3'].map((topic) => ({ ...MQTT, topic })), to), /no connection/)
  assert.deepEqual(to.said, [['1', 'x']])
})

const NOW = Date.parse('2025-01-15T10:00:00Z')
const asked = (request, more = {}) => ({ request, id: request, device: 'inverter', control: 'mode', wire: [{ ...MQTT, payload: request }], ...more })

test('a request that comes twice is carried once', async () => {
  const to = lines()
  const carrier = new Carrier(to, () => NOW)
  const became = await Promise.all([carrier.carry(asked('a')), carrier.carry(asked('a'))])
  assert.deepEqual(became.map((one) => one && one.result), ['carried', null])
  assert.deepEqual(to.said, [['a/b', 'a']])
})

test('requests of a device are carried in their order, also after one that fails', async () => {
  const to = lines((topic) => topic === 'bad')
  const carrier = new Carrier(to, () => NOW)
  const wire = [{ ...MQTT, topic: 'bad' }]
  const became = await Promise.all([carrier.carry(asked('a')), carrier.carry(asked('b', { wire })), carrier.carry(asked('c'))])
  assert.deepEqual(became.map(({ result, stage }) => [result, stage]), [['carried', 'sent'], ['failed', 'rejected'], ['carried', 'sent']])
  assert.deepEqual(to.said.map(([, payload]) => payload), ['a', 'c'])
})

test('a request whose time is over is not carried; giving back has no time', async () => {
  const to = lines()
  const carrier = new Carrier(to, () => NOW)
  const late = { expires_at: '2025-01-15T09:59:59Z' }
  assert.match((await carrier.carry(asked('late', late))).detail, /time was over/)
  assert.equal((await carrier.carry(asked('back', { ...late, releases: true }))).result, 'carried')
  assert.deepEqual(to.said.map(([, payload]) => payload), ['back'])
})
