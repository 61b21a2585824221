using Iced.Intel;

namespace Vmm.Engine.Software.Decode;

/// <summary>Feeds Iced with the bytes of one page, then of the start of another.</summary>
internal sealed unsafe class PageReader : CodeReader
{
    private byte* _next;
    private byte* _end;
    private byte* _second;
    private readonly byte[] _bytes = new byte[16];
    private int _count;

    /// <summary>Bytes read since <see cref="BeginInstruction"/>.</summary>
    public ReadOnlySpan<byte> InstructionBytes => _bytes.AsSpan(0, _count);

    /// <summary>A new instruction starts here.</summary>
    public void BeginInstruction() => _count = 0;

    /// <summary>Bytes from here to <paramref name="end"/> can be read.</summary>
    public void Start(byte* start, byte* end)
    {
        _next = start;
        _end = end;
        _second = null;
        _count = 0;
    }

    /// <summary>As <see cref="Start"/>, going on at the start of another page.</summary>
    public void StartCrossing(byte* start, byte* end, byte* second)
    {
        Start(start, end);
        _second = second;
    }

    public override int ReadByte()
    {
        if (_next == _end)
        {
            if (_second == null)
            {
                return -1;
            }

            _next = _second;
            _end = _second + 15;
            _second = null;
        }

        byte value = *_next++;
        _bytes[_count++ & 15] = value;
        return value;
    }
}
