// Numbers: where the axes have their ticks, and how values are written.

const INCREMENTS = Array.from({ length: 70 }, (_, n) => [1, 2, 5].map((digit) => Number(`${digit}e${n - 20}`))).flat();

// base64 of float32 to numbers; null where there is none, or where a logarithm has none.
function unpacked(text, log = false) {
  if (text === null) return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const drawn = (value) => Number.isFinite(value) && !(log && value <= 0);
  return Array.from(new Float32Array(bytes.buffer), (value) => (drawn(value) ? value : null));
}

// Epochs and steps are counted in whole numbers, unless one looks between them.
function steps(kind, from, to) {
  return kind === "time" || to - from < 3 ? INCREMENTS : INCREMENTS.filter((step) => step >= 1);
}

// Powers of ten over many decades, 1, 2 and 5 of each over a few, even steps within one.
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  if (decades < 1) {
    const step = INCREMENTS.find((each) => each >= (high - low) / 5);
    const [first, last] = [Math.ceil(low / step), Math.floor(high / step)];
    return Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step);
  }
  const [first, every] = [Math.floor(Math.log10(low)), Math.max(1, Math.round(decades / 5))];
  const digits = decades < 2.5 ? [1, 2, 5] : [1];
  const powers = Array.from({ length: Math.ceil((decades + 1) / every) + 1 }, (_, n) => first + n * every);
  const ticks = powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
  return ticks.filter((value) => value >= low && value <= high);
}

function ticked(value, step, limit) {
  if (value == null) return ""; // left out for want of space
  if (value && Math.abs(value) >= 10 ** limit) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  if (step === null) return value < 1e-3 ? value.toExponential() : String(Number(value.toPrecision(3)));
  if (step < 1e-4) return value ? value.toExponential(1) : "0";
  return fixed(value, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

// As `value_text` in lines.py.
function number(value, digits) {
  if (value && (Math.abs(value) < 10 ** -digits || Math.abs(value) >= 1e6)) return value.toExponential(2);
  return fixed(value, digits);
}

function fixed(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// Such as "Epoch 22", "Step 1,234", "12.5 min".
function place({ kind, unit }, x) {
  if (kind === "time") return `${number(x, x < 10 ? 2 : 1)} ${unit}`;
  const text = x.toLocaleString("en-US", { maximumFractionDigits: 2 });
  return `${kind === "epoch" ? "Epoch" : "Step"} ${text}`;
}
