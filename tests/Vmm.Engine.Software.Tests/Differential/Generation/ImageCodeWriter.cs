using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Writes code bytes into a case; what does not fit is dropped.</summary>
internal sealed unsafe class ImageCodeWriter(byte* destination, int capacity) : CodeWriter
{
    private int _length;

    public override void WriteByte(byte value)
    {
        if (_length < capacity)
        {
            destination[_length++] = value;
        }
    }
}
