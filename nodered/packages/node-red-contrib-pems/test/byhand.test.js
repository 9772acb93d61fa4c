'use strict'
const assert = require('node:assert')
const test = require('node:test')
const { House } = require('../lib/house')
const { ByHand } = require('../lib/byhand')
const { Leases } = require('../lib/lease')

const NOW = Date.parse('2025-01-15T10:00:00Z')
const MINUTE = 60000
const wire = (payload) => [{ transport: 'mqtt', topic: 'set', payload, qos: 1 }]

function house (speed = 1) {
  const found = new House('home')
  found.connected = true
  const said = {
    status: { state: 'running' },
    heartbeat: { healthy: true, valid_for_s: 60 * speed, at: '2025-01-15T10:00:00Z', speed },
    'controls/inverter': { device: 'inverter', controls: [{ control: 'mode', options: [{ value: 'grid_first', wire: wire('grid') }, { value: 'load_first', wire: [] }] }] },
    'controls/meter': { device: 'meter', controls: [{ control: 'mode', options: [{ value: 'on', wire: [{ transport: 'modbus' }] }] }] },
    'release/inverter': { device: 'inverter', wire: wire('back') },
    'lease/inverter': { device: 'inverter', until: '2025-01-15T10:15:00Z' }
  }
  for (const [topic, payload] of Object.entries(said)) found.hear(topic, JSON.stringify(payload), NOW)
  return found
}
const REQUEST = { device: 'inverter', control: 'mode', value: 'grid_first', for_minutes: 30, by: 'me', reason: '' }

test('chooses only what the catalogue lists with messages', () => {
  const byHand = new ByHand()
  assert.deepEqual(byHand.choose(house(), REQUEST, NOW).wire, wire('grid'))
  for (const wrong of [{ device: 'car' }, { control: 'speed' }, { value: 'load_first' }, { value: 3 }, { device: 'meter', value: 'on' }]) {
    assert.throws(() => byHand.choose(house(), { ...REQUEST, ...wrong }, NOW), /found .*allowed/)
  }
  assert.equal(byHand.all.length, 1)
})

test('ends by the wall, however fast the clock of PEMS was', () => {
  const byHand = new ByHand()
  byHand.choose(house(30), REQUEST, NOW)
  assert.deepEqual(byHand.ended(NOW + 59000), [])
  assert.equal(byHand.ended(NOW + 60000).length, 1)
})

test('survives a restart, and is told to PEMS until that shows it', () => {
  const before = new ByHand()
  before.choose(house(), REQUEST, NOW)
  const byHand = new ByHand(JSON.parse(JSON.stringify(before.kept)))
  assert.deepEqual(byHand.handOver(house(), NOW + 10 * MINUTE).map(({ value, for_minutes: left }) => [value, left]), [['grid_first', 20]])
  assert.equal(byHand.handOver(house(), NOW + 11 * MINUTE).length, 1)
  byHand.taken({ ...REQUEST, value: 'other' })
  assert.equal(byHand.all.length, 1)
  byHand.taken(REQUEST)
  assert.equal(byHand.handOver(house(), NOW).length, 0)
})

test('is forgotten when PEMS does not want it', () => {
  const byHand = new ByHand()
  byHand.choose(house(), REQUEST, NOW)
  for (let k = 0; k < 5; k++) assert.deepEqual(byHand.refused(), []) || byHand.handOver(house(), NOW)
  assert.equal(byHand.refused().length, 1)
  assert.deepEqual(byHand.all, [])
})

test('ends overrides of PEMS too, and tells PEMS of that until they are gone', () => {
  const found = house()
  const shown = { device: 'inverter', control: 'mode', value: 'grid_first', until: '2025-01-15T12:00:00Z' }
  found.hear('override/inverter/mode', JSON.stringify(shown), NOW)
  const byHand = new ByHand()
  assert.deepEqual(byHand.clear(found, { device: 'inverter', control: '', by: 'me' }), ['inverter'])
  assert.deepEqual(byHand.clearsLeft(found), [{ device: 'inverter', control: 'mode', by: 'me' }])
  found.hear('override/inverter/mode', '', NOW)
  assert.deepEqual(byHand.clearsLeft(found), [])
})

const due = (leases, found, now, holds = () => false) => leases.due(found, '', holds, now).map(({ device }) => device)

test('a lease is watched while PEMS is away, and released once when it has ended', () => {
  const found = house()
  const leases = new Leases()
  const ended = NOW + 16 * MINUTE
  assert.deepEqual(due(leases, found, NOW + 14 * MINUTE), [])
  assert.deepEqual(due(leases, found, ended), ['inverter'])
  leases.released(found, 'inverter')
  assert.deepEqual(due(leases, found, ended + MINUTE), [])
  found.hear('lease/inverter', JSON.stringify({ device: 'inverter', until: '2025-01-15T10:30:00Z' }), ended)
  assert.deepEqual(due(leases, found, NOW + 31 * MINUTE), ['inverter'])
})

test('a lease is left to PEMS while that beats, and to a person who holds the device', () => {
  const found = house()
  found.hear('heartbeat', JSON.stringify({ healthy: true, valid_for_s: 60, at: '2025-01-15T10:16:00Z', speed: 1 }), NOW + 16 * MINUTE)
  assert.deepEqual(due(new Leases(), found, NOW + 16 * MINUTE), [])
  found.hear('status', JSON.stringify({ state: 'offline' }), NOW + 16 * MINUTE)
  assert.deepEqual(due(new Leases(), found, NOW + 16 * MINUTE, () => true), [])
  assert.deepEqual(due(new Leases(), found, NOW + 16 * MINUTE), ['inverter'])
})

test('without a connection nobody knows whether PEMS is there, and nothing is released', () => {
  const found = house()
  found.connected = false
  assert.deepEqual(due(new Leases(), found, NOW + 60 * MINUTE), [])
})

test('may give back earlier, after a silence', () => {
  const found = house()
  const leases = new Leases(120)
  assert.deepEqual(due(leases, found, NOW + 2 * MINUTE), [])
  assert.deepEqual(due(leases, found, NOW + 4 * MINUTE), ['inverter'])
})
