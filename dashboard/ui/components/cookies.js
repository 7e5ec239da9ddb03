// Cookies that a page of ours writes: Streamlit can read them and cannot write them.
export default function ({ data }) {
  for (const [name, value] of Object.entries(data.cookies)) {
    const text = encodeURIComponent(value);
    document.cookie = `${name}=${text}; path=/; samesite=lax; max-age=${data.seconds}`;
  }
}
