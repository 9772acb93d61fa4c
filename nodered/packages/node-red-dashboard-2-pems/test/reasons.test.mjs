import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formats } from '../src/model/format.js'
import { reasonText, understood } from '../src/model/reasons.js'
import { words } from '../src/model/words.js'

const speech = (language) => ({ t: words(language), fmt: formats({ language, currency: 'CZK', timezone: 'Europe/Prague' }) })
const plain = (text) => text.replaceAll('\u00a0', ' ')

/** What the core said in demos and tests (pems_core/planning/explain), one of each form. */
const SAID = [
  'grid charging 02:00–04:00 at 0.090: avoids 0.240 at 17:00–20:00, saves 1.12 EUR after losses and wear',
  'storing PV 13:30–13:45 at 2.71: so that PV worth 2.99 at 14:30–14:45 can be fed in, saves less than 0.01 CZK after losses and wear',
  'feeding in from the battery 17:00–19:00, 4.2 kWh at 5.12: better than keeping 3.0 kWh for later at 2.10, saves 4.00 CZK',
  'covering the house from the battery 17:15–18:45, 1.4 kWh at 6.24: better than avoiding 5.99 at 18:45–19:15 and Wed 18:00–19:00 and later, saves 1.11 CZK',
  'covering the house from the battery 17:15–18:45, 1.4 kWh at 6.24: saves 1.11 CZK',
  'hold 15:15–16:45 at 5.09: avoids 5.62 at 18:30–19:00 and Wed 18:00–19:00 and spares recharging at 3.19 at 23:30–23:45, saves 0.35 CZK after losses and wear',
  'hold 10:00–12:00: the house takes what PV gives',
  'hold 10:00–12:00: feeding PV in at 4.10 instead of storing it, saves 1.20 CZK',
  'hold 10:00–12:00: feeding PV in at 4.10 instead of storing it avoiding 3.00 at 18:00–19:00, saves 1.20 CZK',
  '10:00–12:00: the battery is at its reserve of 20 %',
  '10:00–12:00: the battery is full',
  'Wed 10:00–12:00 CEST: the battery has nothing to do',
  'feeding PV in 11:00–14:00 at 2.10: 6.4 kWh that nothing in the house needs more, earns 13.44 CZK',
  'export off 12:00–14:00: feed-in costs 0.350, 3.2 kWh of PV curtailed, saves 1.12 CZK',
  'export off 12:00–14:00: feed-in costs 0.350, no surplus',
  'PV curtailed 12:00–14:00: 1.0 kWh that nothing can take',
  'heating 23:30–05:00 at 3.38: needed for the comfort band, at least 17.5 °C',
  'heating 02:00–05:00 at -0.120: drawing is paid for, saves 3.20 CZK',
  'heating 02:00–05:00 at 1.20: the heat is worth more at the end of the horizon',
  'pre-heating 23:15–01:45 at 3.24: avoids 3.39 at Wed 01:45–03:30, saves 0.13 CZK after losses',
  'coasting 16:15–23:30 at 4.76: its heat costs 3.53 around it, saves 11.87 CZK'
]

for (const text of SAID) {
  test(`understands: ${text}`, () => {
    assert.notEqual(understood(text), null)
    for (const language of ['en', 'cs']) {
      const spoken = plain(reasonText(text, speech(language)))
      assert.doesNotMatch(spoken, /\{|undefined|clause\.|instead\.|reason\./)
      for (const money of text.match(/(?<=(?:saves|costs|earns|than) )\d+\.\d\d(?= )/g) ?? []) {
        assert.ok(spoken.includes(language === 'cs' ? money.replace('.', ',') : money), `${money} is told in ${spoken}`)
      }
    }
  })
}

test('says it in Czech', () => {
  assert.equal(
    plain(reasonText('hold 15:15–16:45 at 5.09: avoids 5.62 at 18:30–19:00 and Wed 18:00–19:00, saves 0.35 CZK after losses and wear', speech('cs'))),
    'Vyčkávání 15:15–16:45, proud za 5,09: vyhne se nákupu za 5,62 v 18:30–19:00 a st 18:00–19:00, ušetří 0,35 Kč'
  )
})

test('shows a reason of an unknown form as it came', () => {
  for (const text of ['set back: 5.10 per kWh is among the dearest', 'hold 10:00–12:00 at 5.09: pleases the neighbours', '']) {
    assert.equal(reasonText(text, speech('cs')), text)
  }
})
