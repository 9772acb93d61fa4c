'use strict'
// Each node in a real runtime, at a real broker; every example of the import menu is loaded too.

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test, before, after, afterEach } = require('node:test')
const helper = require('node-red-node-test-helper')
const { Broker, Ears, noBroker, until, pause } = require('./support')

const NODES = path.join(__dirname, '..', 'nodes')
const TYPES = fs.readdirSync(NODES).filter((name) => /^pems-.*\.js$/.test(name))
const ALL = TYPES.map((name) => require(path.join(NODES, name)))
const BASE = 'pems/home'
const wire = (payload) => [{ transport: 'mqtt', topic: 'device/set', payload, qos: 1 }]
const beat = () => ({ healthy: true, valid_for_s: 60, at: new Date().toISOString(), speed: 1 })
const DECISION = {
  id: 'd1', device: 'inverter', control: 'mode', value: 'grid_first', unit: '', reason: 'dear evening', wire: wire('grid'),
  valid_from: '2025-01-15T10:00:00Z', valid_until: '2025-01-15T10:15:00Z'
}
const CARRY = (request, more = {}) => ({
  request, id: request, device: 'inverter', control: 'mode', reason: '', wire: wire(request), expires_at: new Date(Date.now() + 60000).toISOString(), ...more
})
let broker, ears

if (!noBroker) {
  // The Node-RED before today's is installed for tests under a name of its own.
  helper.init(require.resolve(process.env.PEMS_TEST_NODE_RED || 'node-red'))
  before(async () => {
    await new Promise((resolve) => helper.startServer(resolve))
    broker = await Broker.start()
    ears = await Ears.at(broker)
  })
  afterEach(async () => {
    await helper.unload()
    ears.said = []
  })
  after(async () => {
    await ears.end()
    await broker.end()
    await new Promise((resolve) => helper.stopServer(resolve))
  })
}

/** A flow of a site and nodes; each output goes to a helper node `out0`, `out1`. */
async function flow (type, config, outputs = 1) {
  const outs = [...Array(outputs).keys()].map((k) => ({ id: `out${k}`, type: 'helper' }))
  await helper.load(ALL, [
    { id: 'site', type: 'pems-site', url: broker.url, house: 'home' },
    { id: 'n', type: `pems-${type}`, site: 'site', ...config, wires: outs.map(({ id }) => [id]) }, ...outs
  ])
  const site = helper.getNode('site').site
  await until(() => site.house.connected)
  await tell('status', { state: 'running' })
  await tell('heartbeat', beat())
  await until(() => site.house.core(Date.now()) === 'running')
  const heard = outs.map(() => [])
  outs.forEach(({ id }, k) => helper.getNode(id).on('input', (msg) => heard[k].push(msg)))
  return { node: helper.getNode('n'), site, heard }
}
const tell = (topic, said) => ears.say(`${BASE}/${topic}`, said)
const badge = (node) => node.status.lastCall ? node.status.lastCall.args[0] : {}
const asked = (topic) => ears.on(`${BASE}/${topic}`).map((text) => JSON.parse(text))

test('decision shows the value with its reason, once for each choice', { skip: noBroker }, async () => {
  const { node, heard: [out] } = await flow('decision', { device: 'inverter', control: '', mode: 'show' })
  await tell('decision/inverter/mode', DECISION)
  await tell('decision/inverter/mode', DECISION)
  await tell('decision/heating/x', { ...DECISION, id: 'd2', device: 'heating' })
  await tell('decision/inverter/mode', { ...DECISION, id: 'd3', value: 'load_first' })
  await until(() => out.length === 2)
  assert.deepEqual(out.map(({ topic, payload, reason }) => [topic, payload, reason]),
    [['inverter/mode', 'grid_first', 'dear evening'], ['inverter/mode', 'load_first', 'dear evening']])
  assert.match(badge(node).text, /mode: load_first/)
})

test('decision offers to carry its device until it is switched off', { skip: noBroker }, async () => {
  const { node, heard: [out] } = await flow('decision', { device: 'inverter', control: '', mode: 'carry', carries: true })
  await until(() => asked('carrier').some(({ devices }) => devices.includes('inverter')))
  await tell('carry/inverter', CARRY('a'))
  await until(() => out.length === 1)
  node.receive({ payload: false })
  await until(() => asked('carrier').at(-1).devices.length === 0)
  await tell('carry/inverter', CARRY('b'))
  await pause(200)
  assert.equal(out.length, 1)
})

test('lease lets pass what is in time, and gives back when PEMS is away and the lease is over', { skip: noBroker }, async () => {
  const { node, heard: [passed, back] } = await flow('lease', { device: 'inverter', silence_s: 0 }, 2)
  node.receive({ pems: CARRY('in time') })
  node.receive({ pems: CARRY('late', { expires_at: '2025-01-15T10:00:00Z' }) })
  node.receive({ pems: 3 })
  await until(() => passed.length === 1)
  await until(() => asked('applied/inverter/mode').length === 1)
  assert.deepEqual(asked('applied/inverter/mode').map(({ request, result }) => [request, result]), [['late', 'refused']])
  await tell('release/inverter', { device: 'inverter', wire: wire('back') })
  await tell('lease/inverter', { device: 'inverter', until: new Date(Date.now() - 5000).toISOString() })
  await pause(1500)
  assert.equal(back.length, 0)
  await tell('status', { state: 'offline' })
  await until(() => back.length === 1)
  assert.deepEqual([back[0].pems.wire, back[0].pems.releases], [wire('back'), true])
  await pause(1500)
  assert.deepEqual([passed.length, back.length], [1, 1])
})

test('apply carries once and reports what became of it', { skip: noBroker }, async () => {
  const { node, heard: [out] } = await flow('apply', {})
  for (const said of [CARRY('a'), CARRY('a'), CARRY('wrong', { wire: [{ transport: 'fax' }] }), CARRY('modbus', { wire: [{ transport: 'modbus' }] })]) node.receive({ pems: said })
  node.receive({ pems: { device: 'x' } })
  await until(() => out.length === 3)
  await until(() => asked('applied/inverter/mode').length === 3)
  assert.deepEqual(asked('applied/inverter/mode').map(({ request, result }) => [request, result]), [['a', 'carried'], ['wrong', 'refused'], ['modbus', 'core']])
  assert.deepEqual(ears.on('device/set'), ['a'])
})

test('state sends one point with its quality, or all of a device', { skip: noBroker }, async () => {
  const { node, heard: [out] } = await flow('state', { device: 'inverter', point: 'soc' })
  await tell('state/inverter', { device: 'inverter', points: { soc: { value: 0.5, unit: 'share', quality: 'stale', age_s: 400 } } })
  await until(() => out.length === 1)
  assert.deepEqual([out[0].payload, out[0].quality], [0.5, 'stale'])
  assert.equal(badge(node).text, '50 %, stale')
})

test('override asks, and gives its price tag as soon as PEMS has one', { skip: noBroker }, async () => {
  const { node, heard: [accepted, refused] } = await flow('override', { device: 'inverter', control: 'mode', minutes: 60, by: 'me' }, 2)
  node.receive({ payload: 'grid_first' })
  await until(() => asked('override/set').length === 1)
  const shown = { device: 'inverter', control: 'mode', value: 'grid_first', until: '2025-01-15T11:00:00Z', costs: null, currency: 'CZK' }
  await tell('override/inverter/mode', shown)
  await tell('override/inverter/mode', { ...shown, costs: 1.25 })
  await until(() => accepted.length === 1)
  assert.equal(accepted[0].payload.costs, 1.25)
  assert.match(badge(node).text, /costs 1.25 CZK/)
  node.receive({ payload: 'full speed' })
  await until(() => asked('override/set').length === 2)
  await tell('error', { topic: 'override/set', faults: ['value: found full speed'], at: '' })
  await until(() => refused.length === 1)
  node.receive({ payload: { clear: true } })
  await until(() => asked('override/clear').length === 1)
})

test('alert tells what is bad enough, and what was refused on either side', { skip: noBroker }, async () => {
  const { heard: [alerts, refused] } = await flow('alert', { severity: 'warning' }, 2)
  await tell('alert', { severity: 'info', place: 'a', text: 'x' })
  await tell('alert', { severity: 'critical', place: 'b', text: 'x', over: false })
  await tell('error', { topic: 'override/set', faults: ['x'] })
  await tell('plan', 'no json')
  await until(() => alerts.length === 1 && refused.length === 2)
  assert.equal(alerts[0].payload.place, 'b')
  assert.deepEqual(refused.map(({ topic }) => topic), ['override/set', 'plan'])
})

test('stop stops and resets, and shows that it is so', { skip: noBroker }, async () => {
  const { node, heard: [out] } = await flow('stop', { action: 'stop', by: 'me' })
  node.receive({ payload: 'pressed' })
  await until(() => asked('emergency/set').length === 1)
  await tell('emergency', { stopped: true, by: 'me' })
  await until(() => out.length === 1)
  assert.equal(badge(node).text, 'stopped by me')
  node.receive({ payload: { action: 'reset' } })
  node.receive({ payload: { action: 'explode' } })
  await until(() => asked('emergency/set').length === 2)
  assert.deepEqual(asked('emergency/set').map(({ action, by }) => [action, by]), [['stop', 'me'], ['reset', 'me']])
})

test('house gives everything as one object, answers requests, and only looks where that is wanted', { skip: noBroker }, async (t) => {
  const { node, heard: [snapshots, answers] } = await flow('house', { pages: true }, 2)
  await tell('plan', { made_at: '2025-01-15T10:00:00Z', starts: [], ends: [] })
  await until(() => snapshots.some(({ payload }) => payload.plan))
  node.receive({ topic: 'override/set', payload: { device: 'inverter', control: 'mode', value: 1, for_minutes: 5, by: 'me' } })
  node.receive({ topic: 'override/set', payload: {} })
  await until(() => answers.length === 2)
  assert.deepEqual(answers.map(({ payload }) => payload.ok).sort(), [false, true])
  process.env.PEMS_DASHBOARD_READ_ONLY = 'true'
  t.after(() => { delete process.env.PEMS_DASHBOARD_READ_ONLY })
  node.receive({ topic: 'emergency/set', payload: { action: 'stop', by: 'me' } })
  await until(() => answers.length === 3)
  assert.match(answers[2].payload.fault, /may only look/)
  assert.deepEqual(asked('emergency/set'), [])
})

test('a node without a site says so', { skip: noBroker }, async () => {
  await helper.load(ALL, TYPES.filter((name) => name !== 'pems-site.js').map((name) => ({ id: name, type: name.replace('.js', ''), site: '' })))
  for (const name of TYPES.filter((one) => one !== 'pems-site.js')) assert.equal(badge(helper.getNode(name)).text, 'no site')
})

test('every node has help, a label and its type in the package', () => {
  const { nodes } = require('../package.json')['node-red']
  for (const name of TYPES) {
    const type = name.replace('.js', '')
    const html = fs.readFileSync(path.join(NODES, `${type}.html`), 'utf8')
    assert.equal(nodes[type], `nodes/${name}`)
    for (const part of [`registerType('${type}'`, `data-template-name="${type}"`, `data-help-name="${type}"`, 'label: function']) assert.ok(html.includes(part), `${type}: ${part}`)
  }
})

test('every node stands in an example', () => {
  const folder = path.join(__dirname, '..', 'examples')
  const used = fs.readdirSync(folder).flatMap((name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'))).map(({ type }) => type)
  for (const name of TYPES) assert.ok(used.includes(name.replace('.js', '')), name)
})
