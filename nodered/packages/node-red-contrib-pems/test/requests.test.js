'use strict'
const assert = require('node:assert')
const test = require('node:test')
const { REQUESTS } = require('../lib/requests')

const GOOD = {
  'override/set': { device: 'inverter', control: 'mode', value: 'grid_first', for_minutes: 60, by: 'me' },
  'override/clear': { by: 'me' },
  'emergency/set': { action: 'stop', by: 'me' },
  'stage/set': { device: 'inverter', stage: 'control', by: 'me' },
  'alert/ack': { place: 'inverter', by: 'me' }
}
const WRONG = {
  'override/set': [{ device: '' }, { control: 3 }, { value: null }, { value: Number.NaN }, { for_minutes: -5 }, { for_minutes: '5' }, { until: '2025-01-15T10:00:00Z' }, { by: ' ' }, { for_minutes: undefined, until: 'soon' }],
  'override/clear': [{ by: '' }],
  'emergency/set': [{ action: 'go' }, { by: undefined }],
  'stage/set': [{ stage: 'full' }, { device: undefined }],
  'alert/ack': [{ place: '' }, { for_hours: 0 }]
}

test('every request has a good and a wrong example', () => {
  assert.deepEqual(Object.keys(GOOD).sort(), Object.keys(REQUESTS).sort())
  assert.deepEqual(Object.keys(WRONG).sort(), Object.keys(REQUESTS).sort())
})

for (const [topic, make] of Object.entries(REQUESTS)) {
  test(`${topic}: passes on what PEMS takes, and no key that it does not know`, () => {
    const made = make({ ...GOOD[topic], _msgid: 'x', other: 1 })
    assert.equal(made.by, 'me')
    assert.ok(!('other' in made) && !('_msgid' in made))
  })
  for (const wrong of WRONG[topic]) {
    test(`${topic}: refuses ${JSON.stringify(wrong)} with place, found and allowed`, () => {
      assert.throws(() => make({ ...GOOD[topic], ...wrong }), /found .*allowed/)
    })
  }
}
