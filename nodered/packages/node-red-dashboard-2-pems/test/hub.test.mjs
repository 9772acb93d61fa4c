import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Hub } from '../lib/hub.js'

const plan = (madeAt, soc) => ({
  made_at: madeAt,
  rung: 'solver',
  detail: '',
  cost: 10,
  starts: [madeAt, '2025-01-14T15:15:00.000Z', '2025-01-14T15:30:00.000Z'],
  ends: ['2025-01-14T15:15:00.000Z', '2025-01-14T15:30:00.000Z', '2025-01-14T15:45:00.000Z'],
  flows: { 'grid.import_kw': [1, 2, 3], 'inverter.charge_kw': [0, 1, 1], 'heating.kitchen_kw': [0.5, 0, 0.5], base_load_kw: [0.4, 0.4, 0.4] },
  levels: { 'inverter.soc': soc, 'heating.kitchen_c': [21, 21, 21] },
  modes: { inverter: ['hold', 'load_first', 'load_first'] },
  prices: { import_price_per_kwh: [5, 6, 7] },
  decisions: []
})

const device = (rest = {}) => ({ state: null, comfort: null, controls: null, release: null, lease: null, decisions: {}, overrides: {}, ...rest })
const house = (rest = {}) => ({
  at: '2025-01-14T15:00:00.000Z', speed: 1, connected: true, core: 'running', heartbeat_age_s: 2, may_ask: true,
  site: { name: 'home' }, status: { state: 'running' }, devices: {}, alerts: [], errors: [], samples: [], by_hand: [], ...rest
})

test('tells only what has changed', () => {
  const hub = new Hub()
  hub.take(house(), 0)
  assert.equal(hub.take(house(), 1000), null)
  const { changes } = hub.take(house({ status: { state: 'stopped' } }), 2000)
  assert.deepEqual(changes, [['topics:status', { state: 'stopped' }]])
})

test('tells the time now and then, though nothing else has changed', () => {
  const hub = new Hub()
  hub.take(house(), 0)
  assert.deepEqual(hub.take(house({ at: '2025-01-14T15:00:06.000Z' }), 6000).changes, [])
})

test('keeps the messages of the wire to itself, but tells what can be chosen while PEMS is down', () => {
  const hub = new Hub()
  const options = [{ value: 'load_first', wire: [] }, { value: 'grid_first', wire: [{ topic: 'x' }] }]
  hub.take(house({ devices: { inverter: device({ controls: { controls: [{ control: 'mode', options }] }, decisions: { mode: { value: 'load_first', wire: [{}] } } }) } }), 0)
  assert.deepEqual(hub.all(0).topics['decision/inverter/mode'], { value: 'load_first' })
  assert.deepEqual(hub.all(0).topics['controls/inverter'].controls, [{ control: 'mode', options: ['load_first', 'grid_first'], alone: ['grid_first'] }])
})

test('forgets what PEMS takes back', () => {
  const hub = new Hub()
  hub.take(house({ devices: { inverter: device({ overrides: { mode: { control: 'mode', value: 'grid_first' } } }) } }), 0)
  const { changes } = hub.take(house({ devices: { inverter: device() } }), 1)
  assert.deepEqual(changes, [['topics:override/inverter/mode', null]])
})

test('shows what was chosen without PEMS as an override, until PEMS has it', () => {
  const hub = new Hub()
  const choice = { device: 'inverter', control: 'mode', value: 'grid_first', until: 'later', set_at: 'now', wire: [{}] }
  hub.take(house({ core: 'offline', by_hand: [choice] }), 0)
  assert.equal(hub.all(0).topics['override/inverter/mode'].without_pems, true)
  hub.take(house({ devices: { inverter: device({ overrides: { mode: { value: 'grid_first', costs: 1.5 } } }) }, by_hand: [choice] }), 1)
  assert.deepEqual(hub.all(0).topics['override/inverter/mode'], { value: 'grid_first', costs: 1.5 })
})

test('remembers of each plan what was in force until the next one was made', () => {
  const hub = new Hub()
  hub.take(house({ plan: plan('2025-01-14T15:00:00.000Z', [0.5, 0.6, 0.7]) }), 0)
  hub.take(house({ plan: plan('2025-01-14T15:20:00.000Z', [0.8, 0.9, 1]) }), 1)
  hub.take(house({ plan: plan('2025-01-14T15:20:00.000Z', [0.8, 0.9, 1]) }), 2)
  const { planned, cycles } = hub.all(0)
  assert.deepEqual(planned.map((step) => [step.start, step.end, step.soc, step.heat_kw]), [
    ['2025-01-14T15:00:00.000Z', '2025-01-14T15:15:00.000Z', 0.5, 0.5],
    ['2025-01-14T15:15:00.000Z', '2025-01-14T15:20:00.000Z', 0.6, 0]
  ])
  assert.deepEqual(cycles.map((one) => one.made_at), ['2025-01-14T15:20:00.000Z', '2025-01-14T15:00:00.000Z'])
})

test('makes of the samples of all points those of the house, each told once', () => {
  const hub = new Hub()
  const sample = (minute) => ({
    at: `2025-01-14T15:${minute}:00.000Z`,
    points: { 'inverter/soc': 0.5, 'inverter/charge_kw': 1, 'heating/kitchen_power_kw': 0.8, 'heating/hall_power_kw': 0.2, 'site/load_kw': 2, 'inverter/mode': 'load_first' }
  })
  hub.take(house({ samples: [sample('00')] }), 0)
  const { changes } = hub.take(house({ at: '2025-01-14T15:05:01.000Z', samples: [sample('00'), sample('05')] }), 1)
  assert.deepEqual(changes.map(([kind, one]) => [kind, one.at, one.heat_kw, one.soc]), [['sample', '2025-01-14T15:05:00.000Z', 1, 0.5]])
  assert.equal(hub.all(0).samples.length, 2)
})

test('forgets samples of a time that has not come: they were taken before PEMS told its own', () => {
  const hub = new Hub()
  const sample = (at) => ({ at, points: { 'site/load_kw': 2 } })
  const early = sample('2026-11-28T07:00:00.000Z')
  hub.take(house({ at: '2026-11-28T07:00:01.000Z', samples: [early] }), 0)
  hub.take(house({ samples: [early, sample('2025-01-14T15:00:00.000Z')] }), 1)
  assert.deepEqual(hub.all(1).samples.map((one) => one.at), ['2025-01-14T15:00:00.000Z'])
  hub.take(house({ at: '2025-01-14T15:05:00.000Z', samples: [early, sample('2025-01-14T15:00:00.000Z'), sample('2025-01-14T15:05:00.000Z')] }), 2)
  assert.equal(hub.all(2).samples.length, 2)
})

test('lets time go on between two snapshots, as fast as that of PEMS', () => {
  const hub = new Hub()
  assert.equal(hub.all(0).time, null)
  hub.take(house({ speed: 30 }), 1000)
  assert.deepEqual(hub.all(3000).time, { at: Date.parse('2025-01-14T15:01:00.000Z'), speed: 30, heartbeat_age_s: 4 })
})

test('the badge says what is wrong first', () => {
  const hub = new Hub()
  assert.equal(hub.badge().text, 'nothing heard yet')
  hub.take(house(), 0)
  assert.equal(hub.badge().text, 'running')
  hub.take(house({ core: 'silent' }), 1)
  assert.equal(hub.badge().text, 'PEMS is silent')
  hub.take(house({ connected: false }), 2)
  assert.equal(hub.badge().text, 'no broker')
})
