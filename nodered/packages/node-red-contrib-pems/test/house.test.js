'use strict'
const assert = require('node:assert')
const test = require('node:test')
const { House, NEEDED, TOPICS } = require('../lib/house')

const NOW = Date.parse('2025-01-15T10:00:00Z')
const text = (said) => JSON.stringify(said)
const BEAT = { counter: 1, healthy: true, valid_for_s: 60, at: '2025-01-15T10:00:00Z', speed: 1, faults: [] }

function house (...said) {
  const found = new House('home')
  found.connected = true
  for (const [topic, payload] of said) found.hear(topic, text(payload), NOW)
  return found
}

test('puts together what is said of a device, and forgets what is taken back', () => {
  const found = house(
    ['override/inverter/mode', { device: 'inverter', control: 'mode', value: 'grid_first', until: '2025-01-15T12:00:00Z', costs: 1.2, currency: 'CZK' }],
    ['lease/inverter', { device: 'inverter', until: '2025-01-15T10:15:00Z' }]
  )
  assert.equal(found.snapshot(NOW).devices.inverter.overrides.mode.costs, 1.2)
  found.hear('override/inverter/mode', '', NOW)
  found.hear('lease/inverter', '', NOW)
  assert.deepEqual(found.snapshot(NOW).devices.inverter.overrides, {})
  assert.equal(found.snapshot(NOW).devices.inverter.lease, null)
})

test('knows whether PEMS beats, is silent, has ended, or was never heard', () => {
  const found = house()
  assert.equal(found.core(NOW), 'unknown')
  found.connectedSince = new Date(NOW).toISOString()
  found.hear('status', text({ state: 'running' }), NOW)
  assert.equal(found.core(NOW + 4000), 'unknown')
  assert.equal(found.core(NOW + 6000), 'silent')
  found.hear('heartbeat', text(BEAT), NOW)
  assert.equal(found.core(NOW + 60000), 'running')
  assert.equal(found.core(NOW + 62000), 'silent')
  found.hear('status', text({ state: 'offline' }), NOW)
  assert.equal(found.core(NOW), 'offline')
  found.connected = false
  assert.equal(found.core(NOW), 'unknown')
})

test('follows a clock that is faster than the wall, and a heartbeat that is good for less of it', () => {
  const found = house(['status', { state: 'running' }], ['heartbeat', { ...BEAT, speed: 30 }])
  assert.equal(new Date(found.clock(NOW + 2000)).toISOString(), '2025-01-15T10:01:00.000Z')
  assert.equal(found.core(NOW + 4000), 'running')
  assert.equal(found.core(NOW + 6000), 'silent')
})

test('keeps a sample every five minutes of what was good', () => {
  const found = house()
  const state = (soc, quality) => text({ device: 'inverter', points: { soc: { value: soc, unit: 'share', quality } } })
  for (let minute = 0; minute < 12; minute++) found.hear('state/inverter', state(minute / 100, minute === 11 ? 'stale' : 'good'), NOW + minute * 60000)
  const { samples } = found.snapshot(NOW)
  assert.deepEqual(samples.map(({ at, points }) => [at, points['inverter/soc']]), [
    ['2025-01-15T10:00:00.000Z', 0.04], ['2025-01-15T10:05:00.000Z', 0.09], ['2025-01-15T10:10:00.000Z', undefined]
  ])
})

test('keeps refusals of both sides, newest first, fifty at most', () => {
  const found = house(['error', { topic: 'override/set', faults: ['device: found 3'], at: 'x' }])
  for (let k = 0; k < 60; k++) found.refuse('plan', `fault ${k}`, NOW)
  const { errors } = found.snapshot(NOW)
  assert.equal(errors.length, 50)
  assert.deepEqual([errors[0].faults, errors[0].by], [['fault 59'], 'Node-RED'])
})

for (const topic of TOPICS) {
  const place = topic.replaceAll('+', 'x')
  test(`refuses on ${topic} what is no JSON object, with its place, and stays as it was`, () => {
    const found = house()
    const before = text(found.snapshot(NOW))
    for (const wrong of ['no json', '3', '[1]', 'null', '"x"', '\u0000', '{"a":']) {
      assert.throws(() => found.hear(place, wrong, NOW), (error) => error.message.startsWith(place) && /found .*allowed/.test(error.message))
    }
    assert.equal(text(found.snapshot(NOW)), before)
  })
}

test('names every key that is missing', () => {
  assert.throws(() => house(['decision/inverter/mode', { device: 'inverter', valid_from: '2025-01-15T10:00' }]),
    /id: found undefined.*control: found.*valid_from: found "2025-01-15T10:00"; allowed: a time with its zone.*valid_until/)
})

const GOOD = {
  site: { name: 'home', timezone: 'Europe/Prague', currency: 'CZK' },
  comfort: { device: 'heating' },
  status: { state: 'running' },
  heartbeat: BEAT,
  plan: { made_at: '2025-01-15T10:00:00Z', starts: [], ends: [] },
  price: { at: '2025-01-15T10:00:00Z', steps: [] },
  savings: {},
  emergency: { stopped: false },
  alerts: { alerts: [] },
  alert: { severity: 'info', place: 'a', text: 'x' },
  error: { topic: 'override/set', faults: ['x'] },
  state: { device: 'inverter', points: {} },
  controls: { device: 'inverter', controls: [] },
  release: { device: 'inverter', wire: [] },
  lease: { device: 'inverter', until: '2025-01-15T10:00:00Z' },
  decision: { id: 'd', device: 'inverter', control: 'mode', valid_from: '2025-01-15T10:00:00Z', valid_until: '2025-01-15T10:15:00Z' },
  override: { device: 'inverter', control: 'mode', until: '2025-01-15T10:00:00Z' },
  carry: { request: 'r', id: 'i', device: 'inverter', control: 'mode', wire: [], expires_at: '2025-01-15T10:00:00Z' }
}
const WRONG = [null, undefined, '', ' soon', 3, -1e400, true, [], {}, [null], [3], { soc: null }, '2025-01-15T10:00', '2025-13-45T10:00:00Z']

test('every topic has a good example, and refuses whatever it needs and does not find', () => {
  const names = { 0: '', 1: '/inverter', 2: '/inverter/mode' }
  assert.deepEqual(Object.keys(GOOD).sort(), TOPICS.map((topic) => topic.split('/')[0]).sort())
  let refused = 0
  for (const topic of TOPICS) {
    const [kind, ...rest] = topic.split('/')
    const place = kind + names[rest.length]
    const found = house()
    const before = text(house().snapshot(NOW))
    for (const payload of ['no json', '3', 'null', '[1]', '"x"', '{', '\u0000']) {
      assert.throws(() => found.hear(place, payload, NOW), new RegExp(`^Error: ${place}: found .*allowed: `), `${place} ${payload}`)
    }
    for (const key of Object.keys(GOOD[kind])) {
      for (const wrong of WRONG) {
        // What is of the right kind is right; which kind that is shows the good example.
        const good = GOOD[kind][key]
        const alike = typeof wrong === typeof good && Array.isArray(wrong) === Array.isArray(good) && wrong !== null && wrong !== '' && wrong !== -Infinity
        const isTime = /^\d{4}-/.test(good)
        const odd = text(wrong) === '[null]' || text(wrong) === '[3]' || text(wrong) === '{"soc":null}'
        if ((alike && !isTime && !odd) || !(key in NEEDED[kind])) continue
        assert.throws(() => found.hear(place, text({ ...GOOD[kind], [key]: wrong }), NOW), new RegExp(`${key}: found .*allowed: `), `${place} ${key} ${wrong}`)
        refused++
      }
    }
    assert.equal(text(found.snapshot(NOW)), before, place)
    found.hear(place, text(GOOD[kind]), NOW)
  }
  assert.ok(refused > 200, String(refused))
})
