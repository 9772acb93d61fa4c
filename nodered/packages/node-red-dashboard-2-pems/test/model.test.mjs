import assert from 'node:assert/strict'
import { test } from 'node:test'

import { shares } from '../src/model/flows.js'
import { formats } from '../src/model/format.js'
import { bandAt, comfort, condition, overrides, powers, rooms } from '../src/model/house.js'
import { action, doing, reasonsAt, runs, steps, upcoming } from '../src/model/plan.js'
import { area, hourMarks, line, roof, scale, stepLine, ticks } from '../src/model/scale.js'
import { LANGUAGES, chosenLanguage, roomName, words } from '../src/model/words.js'

const plain = (text) => text.replaceAll('\u00a0', ' ')
const at = (clock) => Date.parse(`2025-01-14T${clock}:00Z`)
const iso = (clock) => `2025-01-14T${clock}:00.000Z`

test('writes numbers in the language of the reader, money in the currency of the house', () => {
  const cs = formats({ language: 'cs', currency: 'CZK', timezone: 'Europe/Prague' })
  assert.deepEqual([cs.kw(1.25), cs.money(12.3), cs.pricePerKwh(5.4), cs.percent(0.482)].map(plain), ['1,3 kW', '12,30 Kč', '5,40 Kč/kWh', '48 %'])
  const en = formats({ language: 'en', currency: 'EUR', timezone: 'Europe/Prague' })
  assert.deepEqual([en.kw(0.25), en.kw(12.34), en.pricePerKwh(0.0912), en.money(-0.001)].map(plain), ['0.25 kW', '12.3 kW', '0.091 €/kWh', '0.00 €'])
})

test('writes times in the zone of the house, with the day where it is another one', () => {
  const en = formats({ language: 'en', timezone: 'Europe/Prague' })
  assert.equal(en.time(at('22:30')), '23:30')
  assert.equal(en.when(at('23:30'), at('12:00')), 'Wed 00:30')
  assert.equal(en.when(at('13:30'), at('12:00')), '14:30')
  assert.deepEqual([45_000, 90_000, 7_800_000, 7_200_000, 200 * 3_600_000].map((ms) => plain(en.lasts(ms))), ['45 s', '2 min', '2 h 10 min', '2 h', '8 d'])
})

test('shows a dash for what is not known', () => {
  const en = formats({ language: 'en' })
  for (const write of [en.kw, en.money, en.percent, en.temperature, en.time]) assert.equal(write(null), '–')
  assert.equal(en.kw(Number.NaN), '–')
})

test('every word is there in every language, with the same parameters', () => {
  const parameters = (word) => [...new Set(JSON.stringify(word).match(/\{\w+\}/g) ?? [])].sort()
  for (const [language, all] of Object.entries(LANGUAGES)) {
    assert.deepEqual(Object.keys(all).sort(), Object.keys(LANGUAGES.en).sort(), language)
    for (const [key, word] of Object.entries(all)) assert.deepEqual(parameters(word), parameters(LANGUAGES.en[key]), `${language}: ${key}`)
  }
})

test('chooses plurals as the language has them', () => {
  const said = (count) => words('cs')('now.by_hand', { count })
  assert.deepEqual([1, 3, 7].map(said), ['1 ruční zásah', '3 ruční zásahy', '7 ručních zásahů'])
})

test('speaks the first language that is shipped', () => {
  assert.equal(chosenLanguage('auto', undefined, ['sk-SK', 'cs-CZ', 'en']), 'cs')
  assert.equal(chosenLanguage('en', ['cs']), 'en')
  assert.equal(chosenLanguage('auto', ['de']), 'en')
})

test('names rooms, also those that nobody has translated', () => {
  assert.equal(roomName(words('cs'), 'kitchen'), 'Kuchyně')
  assert.equal(roomName(words('cs'), 'wine_cellar'), 'Wine cellar')
})

const seen = (rest = {}) => ({ connected: true, loaded: true, broker: true, core: 'running', topics: { status: { state: 'running' }, ...rest.topics }, ...rest, ...(rest.topics && { topics: { status: { state: 'running' }, ...rest.topics } }) })

test('says first what is worst', () => {
  assert.equal(condition(seen()), 'running')
  assert.equal(condition(seen({ connected: false, broker: false })), 'lost')
  assert.equal(condition(seen({ broker: false, core: 'unknown' })), 'no_broker')
  assert.equal(condition(seen({ core: 'offline' })), 'offline')
  assert.equal(condition(seen({ core: 'silent' })), 'silent')
  assert.equal(condition(seen({ topics: { emergency: { stopped: true } } })), 'stopped')
  assert.equal(condition(seen({ core: 'offline', topics: { emergency: { stopped: true } } })), 'stopped_offline')
  assert.equal(condition(seen({ topics: { heartbeat: { healthy: false } } })), 'unhealthy')
  assert.equal(condition({ ...seen(), topics: {} }), 'waiting')
})

const points = (values) => ({ points: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, quality: 'good' }])) })
const TOPICS = {
  site: { batteries: { inverter: {} }, rooms: { heating: { kitchen: {}, hall: {} } } },
  'state/site': points({ pv_kw: 3, load_kw: 1, import_kw: 0, export_kw: 0.5 }),
  'state/inverter': points({ soc: 0.5, charge_kw: 1.5, discharge_kw: 0 }),
  'state/heating': points({ kitchen_temperature_c: 19.2, kitchen_power_kw: 0.8, hall_power_kw: 0, kitchen_relay: true, kitchen_target_c: 21 }),
  'comfort/heating': { rooms: { kitchen: [{ from: iso('06:00'), low_c: 20, high_c: 22 }, { from: iso('22:00'), low_c: 17, high_c: 22 }] } },
  'override/heating/kitchen_setpoint_c': { control: 'kitchen_setpoint_c', until: iso('18:00') },
  'override/inverter/mode': { control: 'mode', until: iso('16:00') }
}

test('reads what flows now', () => {
  assert.deepEqual(powers(TOPICS), { pv: 3, house: 1, import: 0, export: 0.5, charge: 1.5, discharge: 0, heat: 0.8, soc: 0.5 })
  assert.equal(powers({}).pv, null)
})

test('a room that is below the band of its time is cold', () => {
  const [kitchen, hall] = rooms(TOPICS, at('12:00'))
  assert.deepEqual([kitchen.comfort, kitchen.target, kitchen.relay], ['cold', 21, true])
  assert.equal(hall.comfort, 'unknown')
  assert.equal(rooms(TOPICS, at('23:00'))[0].comfort, 'good')
  assert.equal(comfort(22.3, bandAt(TOPICS['comfort/heating'].rooms.kitchen, at('12:00'))), 'warm')
})

test('lists what is set by hand, first what ends first', () => {
  assert.deepEqual(overrides(TOPICS).map((one) => one.control), ['mode', 'kitchen_setpoint_c'])
})

test('gives the sun to the house first, then to the battery, then to the grid', () => {
  assert.deepEqual(shares({ pv: 5, house: 1, charge: 3, export: 1, import: 0, discharge: 0 }), [
    { from: 'pv', to: 'house', kw: 1 }, { from: 'pv', to: 'battery', kw: 3 }, { from: 'pv', to: 'grid', kw: 1 }
  ])
  assert.deepEqual(shares({ pv: 0, house: 2, import: 5, charge: 3, discharge: 0, export: 0 }), [
    { from: 'grid', to: 'house', kw: 2 }, { from: 'grid', to: 'battery', kw: 3 }
  ])
})

const PLAN = {
  made_at: iso('14:00'),
  starts: ['14:00', '14:15', '14:30', '14:45'].map(iso),
  ends: ['14:15', '14:30', '14:45', '15:00'].map(iso),
  flows: {
    'grid.import_kw': [0.5, 4, 4, 0], 'grid.export_kw': [0, 0, 0, 2], 'inverter.charge_kw': [0, 3, 3, 0], 'inverter.discharge_kw': [0, 0, 0, 3],
    'inverter.from_house_kw': [0, 3.1, 3.1, 0], 'inverter.pv_kw': [0, 0, 0, 0], base_load_kw: [0.5, 0.5, 0.5, 0.5], 'heating.kitchen_kw': [0, 0, 0.8, 0.8]
  },
  levels: { 'inverter.soc': [0.5, 0.6, 0.7, 0.6], 'heating.kitchen_c': [20, 20, 20, 20] },
  modes: { inverter: ['hold', 'battery_first', 'battery_first', 'grid_first'] },
  prices: { import_price_per_kwh: [5, 2, 2, 7], feed_in_price_per_kwh: [3, 1, 1, 5] },
  decisions: [
    { device: 'inverter', control: 'mode', value: 'battery_first', valid_from: iso('14:00'), valid_until: iso('14:45'), reason: 'hold 15:00–15:15 at 5.00: avoids 7.00 at 15:45–16:00, saves 0.50 CZK after losses and wear' },
    { device: 'heating', control: 'kitchen_relay', value: true, valid_from: iso('14:30'), valid_until: iso('15:00'), reason: 'heating 15:30–16:00 at 2.00: needed for the comfort band, at least 20 °C', saves: null }
  ]
}

test('a plan as what the battery does, one run after the other', () => {
  assert.deepEqual(steps(PLAN).map(action), ['hold', 'grid_charge', 'grid_charge', 'sell'])
  assert.deepEqual(runs(steps(PLAN)).map((run) => [run.action, (run.end - run.start) / 60_000]), [['hold', 15], ['grid_charge', 30], ['sell', 15]])
  assert.deepEqual(steps(PLAN, at('14:20')).map((step) => step.t), [1, 2, 3])
  assert.deepEqual(steps(null), [])
})

test('what comes next: the battery, and when rooms are heated', () => {
  assert.deepEqual(upcoming(steps(PLAN), at('14:05')).map((one) => [one.kind, new Date(one.start).toISOString().slice(11, 16)]), [
    ['grid_charge', '14:15'], ['heat', '14:30'], ['sell', '14:45']
  ])
})

test('the reasons of an instant', () => {
  assert.equal(reasonsAt(PLAN, at('14:10')).mode.value, 'battery_first')
  assert.deepEqual(reasonsAt(PLAN, at('14:40')).rooms.map((one) => one.room), ['kitchen'])
})

test('one sentence says what PEMS does', () => {
  const topics = { plan: PLAN, status: { rung: 'solver' }, 'decision/inverter/mode': PLAN.decisions[0] }
  const said = doing({ state: 'running', topics, inverter: 'inverter', now: at('14:05') })
  assert.deepEqual([said.key, said.until], ['doing.hold', iso('14:15')])
  assert.equal(doing({ state: 'offline', topics, inverter: 'inverter', now: 0 }).key, 'doing.offline')
  const byHand = doing({ state: 'running', topics: { ...topics, 'override/inverter/mode': { by: 'anna', value: 'grid_first', until: iso('16:00'), reason: 'test' } }, inverter: 'inverter', now: at('14:05') })
  assert.deepEqual([byHand.key, byHand.by], ['doing.by_hand', 'anna'])
})

test('lines break where nothing is known', () => {
  const x = scale(0, 10, 0, 100)
  const y = scale(0, 1, 10, 0)
  assert.equal(line([[0, 0], [5, null], [10, 1]], x, y), 'M0 10M100 0')
  assert.equal(stepLine([{ start: 0, end: 5, v: 0 }, { start: 5, end: 10, v: 1 }], x, y, (s) => s.v), 'M0 10H50V0H100')
  assert.equal(area([[0, 0.5]], x, y), '')
  assert.equal(x.back(50), 5)
})

test('axes end at round values', () => {
  assert.deepEqual(ticks(0, 10, 4), [0, 2.5, 5, 7.5, 10])
  assert.deepEqual([roof(17, 1), roof(0.2, 1), roof(5.2, 1)], [20, 1, 6])
  assert.deepEqual(hourMarks(at('10:20'), at('18:00'), 6, (ms) => new Date(ms).getUTCHours()).map((ms) => new Date(ms).toISOString().slice(11, 16)), ['12:00', '18:00'])
})
